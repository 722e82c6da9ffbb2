-- One incident of a wish is dealt with.   KEYS facts, wished   ARGV incident, 1: it is acknowledged by this wish
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 and redis.call('EXISTS', KEYS[1]) == 1 then
  if ARGV[2] == '1' then redis.call('HINCRBY', KEYS[1], 'carried', 1) end
  redis.call('HINCRBY', KEYS[1], 'changes', 1)
end
return 1
