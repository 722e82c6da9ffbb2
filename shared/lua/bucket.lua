-- A channel's tokens, kept as the one moment at which all of them are back (generic cell rate algorithm).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Milliseconds until a call may be made; zero: now. `interval`: ms per token, 0: there is no end of them.
local function wait_for_token(bucket, hold, interval, burst)
  local held = math.max(redis.call('PTTL', hold), 0)
  if interval == 0 then return held end
  local full_at = math.max(tonumber(redis.call('GET', bucket) or now), now)
  return math.max(held, math.ceil(full_at - (burst - 1) * interval - now))
end

-- Take `count` tokens; a negative count gives them back.
local function spend(bucket, interval, count)
  if interval == 0 or count == 0 then return end
  local full_at = math.max(tonumber(redis.call('GET', bucket) or now), now) + count * interval
  redis.call('DEL', bucket) -- so that full memory does not refuse the next line: see commit.lua
  if full_at > now then redis.call('SET', bucket, string.format('%.3f', full_at), 'PX', math.ceil(full_at - now)) end
end

-- Scores of a queue: the class, then milliseconds. What is in hand comes last, with the moment from which it counts as left behind.
-- The classes are services/notifier/urgency.py's: first posts are LOUD (may be let past a storm) or not, then comes all else.
local SPAN, LOUD, POST, NOT_FIRST, IN_HAND = 1e13, 1, 6, 11, 99
local IN_HAND_FROM = string.format('%.0f', IN_HAND * SPAN)

local function score(class, ms) return string.format('%.0f', class * SPAN + ms) end
