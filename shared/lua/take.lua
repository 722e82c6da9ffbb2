-- A channel's turn: hands out the most urgent of what waits, with a token, and sets the next turn. What is handed out stays in the
-- queue, last, until `done`; should its worker die, it is handed out again.
-- KEYS bucket, hold, queue, turns   ARGV interval (ms), burst, channel, lease (ms)
-- Answer {member, its score while it is in hand}; {}: nothing waits, or there is no token
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local function left_behind()
  return redis.call('ZRANGEBYSCORE', KEYS[3], IN_HAND_FROM, score(IN_HAND, now), 'LIMIT', 0, 1)[1]
end
local function waiting()
  return redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. IN_HAND_FROM, 'LIMIT', 0, 1)[1]
end

redis.call('ZREM', KEYS[3], '') -- so that full memory does not refuse what follows: see commit.lua
local answer = {}
if wait_for_token(KEYS[1], KEYS[2], interval, burst) == 0 then
  local member = left_behind() or waiting()
  if member then
    spend(KEYS[1], interval, 1)
    answer = {member, score(IN_HAND, now + ARGV[4])}
    redis.call('ZADD', KEYS[3], answer[2], member)
  end
end

local next_turn
if left_behind() or waiting() then
  next_turn = now + wait_for_token(KEYS[1], KEYS[2], interval, burst)
else
  local in_hand = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
  next_turn = in_hand[2] and in_hand[2] - IN_HAND * SPAN
end
if next_turn then
  redis.call('ZADD', KEYS[4], string.format('%.0f', next_turn), ARGV[3])
else
  redis.call('ZREM', KEYS[4], ARGV[3])
end
return answer
