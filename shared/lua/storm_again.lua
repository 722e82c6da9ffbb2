-- Somebody wants the digest back, should it have been deleted.
-- KEYS facts, storms   ARGV storm, lifetime (ms)
-- Answer: 1; 0: there is no such storm
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HSET', KEYS[1], 'wanted', 1) == 1 then redis.call('HINCRBY', KEYS[1], 'changes', 1) end
redis.call('ZADD', KEYS[2], 'LT', now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
