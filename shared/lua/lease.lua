-- Leases what is due: nobody else is handed these ids before the lease is over, and a crash loses none of them.
-- KEYS sorted set of moments   ARGV limit, lease (ms), age (ms): an entry is due so long after its moment
-- Answer: {now (ms), due time (ms) of the earliest entry that is left ("" = none), id, id, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[3]
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
redis.call('ZREM', KEYS[1], '') -- so that full memory does not refuse the next line: see commit.lua
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], id) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {string.format('%d', now), first[2] or '', unpack(due)}
