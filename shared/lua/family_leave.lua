-- An incident that a storm's record lists is over. Of all that leave, one is the last, however often it asks, until others join.
-- KEYS children, last   ARGV id, lifetime (ms)
-- Answer 1: it is the last; 0: not
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DEL', KEYS[2])
  return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
return redis.call('GET', KEYS[2]) == ARGV[1] and 1 or 0
