-- Makes a due time agree with the incident that it belongs to: repairs a lost entry, clears a stale one, leaves leases alone.
-- KEYS sorted set of due times, incident
-- ARGV id, version that the due time was read from, due (ms; "": none), "moved": an entry that is there moves, too
if redis.call('HGET', KEYS[2], 'version') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], '') -- so that full memory does not refuse what follows: see commit.lua
if ARGV[3] == '' then return redis.call('ZREM', KEYS[1], ARGV[1]) end
if ARGV[4] == 'moved' then return redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return redis.call('ZADD', KEYS[1], 'NX', ARGV[3], ARGV[1])
