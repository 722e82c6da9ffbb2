-- Lets an incident that is due wait in a queue. While it does, its due time is some way off, so that it comes back by itself should
-- the queue be lost. Who waits already keeps the better place.
-- KEYS sorted set of due times, queue, incident
-- ARGV id, version that it was decided by, place in the queue (ms), when it comes back (ms from now), lifetime of the queue (ms)
if redis.call('HGET', KEYS[3], 'version') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], '') -- so that full memory does not refuse what follows: see commit.lua
redis.call('ZADD', KEYS[2], 'NX', ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4], ARGV[1])
return 1
