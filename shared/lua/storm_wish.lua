-- Somebody wants everything acknowledged that is open now.
-- KEYS facts, open, wished, storms   ARGV storm, the wish (JSON), lifetime (ms)
-- Answer: how many are open; -1: there is no such storm
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local open = redis.call('ZCARD', KEYS[2])
if open == 0 then return 0 end
local wish = redis.call('HGET', KEYS[1], 'wish')
if wish and cjson.decode(wish).token == cjson.decode(ARGV[2]).token then return open end -- a copy of the same request
redis.call('ZUNIONSTORE', KEYS[3], 2, KEYS[3], KEYS[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call('HSET', KEYS[1], 'wish', ARGV[2], 'wished_at', now, 'carried', 0)
redis.call('HINCRBY', KEYS[1], 'changes', 1)
redis.call('ZADD', KEYS[4], 'LT', now, ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return open
