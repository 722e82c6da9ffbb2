-- KEYS incident   Answer: {now (ms), schema, state, body}; the last three false when there is no such incident
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'schema', 'state', 'body')
return {string.format('%d', now), found[1], found[2], found[3]}
