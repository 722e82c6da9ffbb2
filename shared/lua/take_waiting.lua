-- Takes those whose turn it is out of a queue, the longest overdue first. Until each is claimed it is due again a little later, so
-- that it comes back should the one who took it die. It leaves the queue at once: who comes to wait anew must not be taken out with it.
-- KEYS queue, sorted set of due times   ARGV limit, due again after (ms)
-- Answer: as lease.lua's
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
redis.call('ZREM', KEYS[1], '', unpack(due)) -- never nothing, so that full memory does not refuse the next line: see commit.lua
for _, id in ipairs(due) do redis.call('ZADD', KEYS[2], 'XX', 'LT', now + ARGV[2], id) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {string.format('%d', now), first[2] or '', unpack(due)}
