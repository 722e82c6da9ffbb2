-- The members of a storm, as far as a digest names them.
-- KEYS names, open names, open   ARGV how many names, how many of the worst
-- Answer: {how many names in all, {name, incidents, open ones, …}, {id of an open incident, …}}
local top = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1] - 1, 'WITHSCORES')
local names = {}
for index = 1, #top, 2 do
  for _, part in ipairs({top[index], top[index + 1], redis.call('HGET', KEYS[2], top[index]) or '0'}) do
    names[#names + 1] = part
  end
end
return {redis.call('ZCARD', KEYS[1]), names, redis.call('ZRANGE', KEYS[3], 0, ARGV[2] - 1)}
