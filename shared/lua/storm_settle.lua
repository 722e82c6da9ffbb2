-- What became of an attempt to show the digest; the lease is over.
-- KEYS facts, lease   ARGV token of the lease, then field, value, …; "now" stands for the moment, "" takes the field away
-- Answer: 1; 0: another message stands in the place of the one that "ts" names. To take "ts" away needs the lease.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('GET', KEYS[2]) == ARGV[1]
if held then redis.call('DEL', KEYS[2]) end
if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
local known = redis.call('HGET', KEYS[1], 'ts')
for index = 2, #ARGV, 2 do
  local name, value = ARGV[index], ARGV[index + 1]
  if name == 'ts' and value == '' and not held then return 1 end
  if name == 'ts' and value ~= '' and known and known ~= value then return 0 end
  if name == 'retry_in' then
    redis.call('HSET', KEYS[1], 'retry_at', string.format('%.0f', now + value))
  elseif value == '' then
    redis.call('HDEL', KEYS[1], name)
  else
    redis.call('HSET', KEYS[1], name, value == 'now' and string.format('%.0f', now) or value)
  end
end
return 1
