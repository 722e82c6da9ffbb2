-- The latest incident of a dedup key.   KEYS open   ARGV prefix of incident keys (same hash tag)
-- Answer: {now (ms), id that the open key names ("" = none), state (false = none or expired)}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id = redis.call('GET', KEYS[1]) or ''
local state = id ~= '' and redis.call('HGET', ARGV[1] .. id, 'state')
return {string.format('%d', now), id, state}
