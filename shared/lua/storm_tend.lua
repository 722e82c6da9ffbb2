-- Ends a storm that has been quiet for long enough, or is no more than what a channel has room for, and says when it must be looked
-- after next.
-- KEYS facts, wished, storms, storm of its channel   ARGV storm, quiet (ms), ms between two refreshments of the digest,
--      how many that join within `quiet` are a storm no longer
-- Answer: 1: it has just ended; 0: not
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local facts, raw = {}, redis.call('HGETALL', KEYS[1])
for index = 1, #raw, 2 do facts[raw[index]] = tonumber(raw[index + 1]) or raw[index + 1] end
if not facts.begun then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end

-- What comes now and then must not keep a storm alive: looked at a span of `quiet` at a time.
local quiet, calm, ended = tonumber(ARGV[2]), false, 0
local since = facts.window or facts.begun
if not facts.over and now - since >= quiet then
  calm = (facts.members or 0) - (facts.window_members or 0) <= tonumber(ARGV[4])
  since = now
  redis.call('HSET', KEYS[1], 'window', now, 'window_members', facts.members or 0)
end
if not facts.over and (calm or now - facts.last >= quiet) then
  if redis.call('GET', KEYS[4]) == ARGV[1] then redis.call('DEL', KEYS[4]) end
  if not facts.members then -- all were let past it: there is nothing to tell
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[3], ARGV[1])
    return 1
  end
  facts.changes = redis.call('HINCRBY', KEYS[1], 'changes', 1)
  facts.over, ended = now, 1
  redis.call('HSET', KEYS[1], 'over', now)
end

local due
local function at_latest(moment) due = math.min(due or moment, moment) end
if not facts.over then at_latest(math.min(facts.last, since) + quiet) end
if redis.call('EXISTS', KEYS[2]) == 1 then at_latest(now) end
local owes_news = facts.ts and (facts.reopened or 0) > (facts.reopened_told or 0)
if (facts.changes or 0) ~= (facts.shown or 0) or owes_news or (facts.over and facts.ts and not facts.closed) then
  at_latest(math.max(now + 1000, (facts.shown_at or 0) + ARGV[3], facts.retry_at or 0))
end
if due then
  redis.call('ZADD', KEYS[3], string.format('%.0f', due), ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
return ended
