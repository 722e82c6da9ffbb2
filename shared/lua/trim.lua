-- Trims the event stream by age, never past what a group has not read or not dealt with, and takes away consumers that are gone.
--
-- KEYS  the stream
-- ARGV  age (ms) from which entries may go, age (ms) from which a group that is not ours no longer holds them,
--       idle time (ms) after which an empty consumer counts as gone, then the names of our own groups
-- Answer  entries trimmed, consumers removed, then the names of the groups that hold back entries older than the age
local age, patience, gone = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ours = {}
for index = 4, #ARGV do ours[ARGV[index]] = true end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function fields(reply)
  local found = {}
  for index = 1, #reply, 2 do found[reply[index]] = reply[index + 1] end
  return found
end

-- Entry ids as numbers: milliseconds, and the counter within one of them.
local function parts(id)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

local function earlier(one, other)
  local ms, sequence = parts(one)
  local other_ms, other_sequence = parts(other)
  return ms < other_ms or (ms == other_ms and sequence < other_sequence)
end

local cut, holding, removed = string.format('%d-0', now - age), {}, 0
local wanted, limit = cut, string.format('%d-0', now - patience)
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0} end
for _, raw in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(raw)
  local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', 1)[1]
  local bound = unread and unread[1]
  if group['pending'] > 0 then bound = redis.call('XPENDING', KEYS[1], group['name'])[2] end
  if bound and earlier(bound, wanted) then
    holding[#holding + 1] = group['name']
    if not ours[group['name']] and earlier(bound, limit) then bound = limit end
    if earlier(bound, cut) then cut = bound end
  end
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group['name'])) do
    local one = fields(consumer)
    -- Its pending entries would be thrown away with it.
    if one['pending'] == 0 and one['idle'] > gone then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group['name'], one['name'])
      removed = removed + 1
    end
  end
end
return {redis.call('XTRIM', KEYS[1], 'MINID', cut), removed, unpack(holding)}
