-- A channel's turn: hands out the most urgent of what waits, with a token, and sets the next turn. What is handed out stays in the
-- queue, last, until `done`; should its worker die, it is handed out again. First posts that meet a storm are handed out to join
-- it: that needs no token.
-- KEYS bucket, hold, queue, turns, storm of the channel, bypass
-- ARGV interval (ms), burst, channel, lease (ms), bypass per minute, prefix of the facts of storms (same hash tag)
-- Answer {member, its score while it is in hand, what to do with it: post, pass (the same, let past a storm), join, overflow; storm}
--        {}: nothing waits, or there is no token
local interval, burst, per_minute = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local storm = raging(KEYS[5])

local function left_behind()
  return redis.call('ZRANGEBYSCORE', KEYS[3], IN_HAND_FROM, score(IN_HAND, now), 'LIMIT', 0, 1)[1]
end

-- The most urgent, and what is to be done with it; nothing: nobody waits.
local function first()
  local left = left_behind()
  if left then return left, 'post' end
  local found = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. IN_HAND_FROM, 'WITHSCORES', 'LIMIT', 0, 1)
  local class = found[1] and math.floor(found[2] / SPAN)
  if not class or storm == '' or class < LOUD or class >= NOT_FIRST then return found[1], 'post' end
  if class >= POST then return found[1], 'join' end
  return found[1], may_pass(KEYS[6], per_minute) and 'pass' or 'overflow'
end

local function wait_for(deed)
  if deed == 'join' or deed == 'overflow' then return 0 end
  return wait_for_token(KEYS[1], KEYS[2], interval, burst)
end

redis.call('ZREM', KEYS[3], '') -- so that full memory does not refuse what follows: see commit.lua
local answer = {}
local member, deed = first()
if member and wait_for(deed) == 0 then
  if deed == 'post' or deed == 'pass' then spend(KEYS[1], interval, 1) end
  if deed == 'pass' then pass(KEYS[6], ARGV[6] .. storm) end
  answer = {member, score(IN_HAND, now + ARGV[4]), deed, storm}
  redis.call('ZADD', KEYS[3], answer[2], member)
  member, deed = first()
end

local next_turn
if member then
  next_turn = now + wait_for(deed)
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
