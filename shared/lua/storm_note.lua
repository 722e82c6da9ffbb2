-- Counts a member of a storm as it is now; what is older than what was counted, or the same, changes nothing. A storm that Redis has
-- lost comes back, and its digest, which may be in the channel, is looked for.
-- KEYS facts, members, names, open names, open, storms
-- ARGV storm, channel, incident, version, state, recorded (0, 1), overflow (0, 1), name and severity (JSON), order among the open,
--      lifetime (ms), ms between two refreshments of the digest
-- Answer {1: a new member, 1: something that the digest tells has changed}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local storm, channel, id, version, state, recorded, overflow, name, order = unpack(ARGV, 1, 9)

local known = redis.call('HGET', KEYS[2], id)
local was = {}
if known then
  was.version, was.state, was.recorded, was.overflow, was.name = string.match(known, '^(%d+) (%a+) (%d) (%d) (.*)$')
  if tonumber(was.version) >= tonumber(version) then return {0, 0} end
  overflow, name = was.overflow, was.name -- as they were when it joined: what was added is taken away again
end

redis.call('HDEL', KEYS[1], '') -- so that full memory does not refuse what follows: see commit.lua
if redis.call('EXISTS', KEYS[1]) == 0 then
  local begun = tonumber(string.sub(storm, 1, 12), 16) or now -- a storm's id is as an incident's: it begins with its time
  redis.call('HSET', KEYS[1], 'channel', channel, 'begun', begun, 'last', now, 'look', now)
end
redis.call('HSET', KEYS[2], id, table.concat({version, state, recorded, overflow, name}, ' '))
if not known then
  redis.call('HINCRBY', KEYS[1], 'members', 1)
  redis.call('HSET', KEYS[1], 'last', now)
  redis.call('ZINCRBY', KEYS[3], 1, name)
end
local changed = not known or was.state ~= state or was.recorded ~= recorded
if changed then
  if was.state then redis.call('HINCRBY', KEYS[1], was.state, -1) end
  if was.state == 'open' then redis.call('HINCRBY', KEYS[4], name, -1) end
  redis.call('HINCRBY', KEYS[1], state, 1)
  if was.state == 'acknowledged' and state == 'open' then redis.call('HINCRBY', KEYS[1], 'reopened', 1) end
  if state == 'open' then redis.call('HINCRBY', KEYS[4], name, 1) end
  if recorded ~= (was.recorded or '0') then redis.call('HINCRBY', KEYS[1], 'recorded', recorded == '1' and 1 or -1) end
  if overflow == '1' and (state == 'open') ~= (was.state == 'open') then
    redis.call('HINCRBY', KEYS[1], 'overflow', state == 'open' and 1 or -1)
  end
  if state == 'open' then
    redis.call('ZADD', KEYS[5], overflow == '1' and order or string.format('%.0f', order + 1e15), id)
  else
    redis.call('ZREM', KEYS[5], id)
  end
  redis.call('HINCRBY', KEYS[1], 'changes', 1)
  local shown_at = tonumber(redis.call('HGET', KEYS[1], 'shown_at') or 0)
  redis.call('ZADD', KEYS[6], 'LT', string.format('%.0f', math.max(now, shown_at + ARGV[11])), storm)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[10]) end
return {known and 0 or 1, changed and 1 or 0}
