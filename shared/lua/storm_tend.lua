-- Ends a storm that has been quiet for long enough, and says when it must be looked after next. Quiet is not silence: a mere trickle
-- can be posted singly. `crowded` is when more than the threshold had joined since it was set before.
-- KEYS facts, wished, storms, storm of its channel   ARGV storm, quiet (ms), ms between two refreshments of the digest
-- Answer: 1: it has just ended; 0: not
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local facts, raw = {}, redis.call('HGETALL', KEYS[1])
for index = 1, #raw, 2 do facts[raw[index]] = tonumber(raw[index + 1]) or raw[index + 1] end
if not facts.begun then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end

local crowded = facts.crowded or facts.last
local ended = 0
if not facts.over and now - crowded >= tonumber(ARGV[2]) then
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
if not facts.over then at_latest(crowded + ARGV[2]) end
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
