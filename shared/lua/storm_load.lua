-- KEYS facts   Answer: {now (ms), field, value, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {string.format('%d', now), unpack(redis.call('HGETALL', KEYS[1]))}
