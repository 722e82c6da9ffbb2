-- The latest incident of a dedup key.   KEYS open   ARGV prefix of incident keys (same hash tag)
-- Answer: {now (ms), id that the open key names ("" = none), schema, state (both false = none or expired)}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('GET', KEYS[1]) or ''
local found = id ~= '' and redis.call('HMGET', ARGV[1] .. id, 'schema', 'state') or {false, false}
return {string.format('%d', now), id, found[1], found[2]}
