-- Commits one step: the incidents' new state, their events, ACK keys, open key and due times, all or nothing.
--
-- KEYS  events, deadlines, deliveries, mentions, recent, open; then per change: incident, ack
-- ARGV  commit id, schema, number of changes, age cut of "recent" (ms),
--       id of the dedup key's latest incident, lifetime (ms) of the open key, what the open key must name ("*": not asked)
--       per change: id, expected version, state, body ("": as it was), lifetime (ms), due of the escalator, due of the
--       notifier ("": none), last mention ("": closed), ack ("": none), opened at (ms; "": not new), number of events
--       per event: number of parts, then field, value, …
-- Answer  1: committed, also when this very commit was here before; 0: something has moved on, decide again
local HEAD, PER_CHANGE = 7, 11
local commit, schema, changes, recent_cut, latest, open_lifetime, must_name = unpack(ARGV, 1, HEAD)
changes = tonumber(changes)

local function key_of(change) return KEYS[5 + 2 * change], KEYS[6 + 2 * change] end

local function set_due(key, id, due)
  if due == '' then redis.call('ZREM', key, id) else redis.call('ZADD', key, due, id) end
end

local function after_events(cursor, count)
  for _ = 1, count do cursor = cursor + 1 + tonumber(ARGV[cursor]) end
  return cursor
end

-- Look first, write later: when one version has moved on, nothing is written.
if redis.call('HGET', (key_of(1)), 'commit') == commit then return 1 end
local named = redis.call('GET', KEYS[6]) or ''
if must_name ~= '*' and named ~= must_name then return 0 end
local cursor = HEAD + 1
for change = 1, changes do
  local version = redis.call('HGET', (key_of(change)), 'version') or '0'
  if version ~= ARGV[cursor + 1] then return 0 end
  cursor = after_events(cursor + PER_CHANGE, tonumber(ARGV[cursor + PER_CHANGE - 1]))
end

cursor = HEAD + 1
for change = 1, changes do
  local id, expected, state, body, lifetime, escalator_due, notifier_due, mentioned, ack, opened_at, events =
    unpack(ARGV, cursor, cursor + PER_CHANGE - 1)
  local incident_key, ack_key = key_of(change)
  -- HSET is what full memory refuses, before anything was written: nothing more is let in then. What was let in is dealt with all
  -- the same (`*`: a command of ours or of a person). Where a write that frees memory comes first, the server lets a script finish.
  if must_name == '*' then redis.call('PEXPIRE', incident_key, lifetime) end
  local version = string.format('%d', expected + 1)
  redis.call('HSET', incident_key, 'version', version, 'commit', commit, 'schema', schema, 'state', state)
  if body ~= '' then redis.call('HSET', incident_key, 'body', body) end
  redis.call('PEXPIRE', incident_key, lifetime)
  if ack == '' then redis.call('DEL', ack_key) else redis.call('SET', ack_key, ack, 'PX', lifetime) end
  set_due(KEYS[2], id, escalator_due)
  set_due(KEYS[3], id, notifier_due)
  set_due(KEYS[4], id, mentioned)
  if opened_at ~= '' then redis.call('ZADD', KEYS[5], opened_at, id) end
  cursor = cursor + PER_CHANGE
  for _ = 1, tonumber(events) do
    local parts = tonumber(ARGV[cursor])
    redis.call('XADD', KEYS[1], '*', unpack(ARGV, cursor + 1, cursor + parts))
    cursor = cursor + 1 + parts
  end
end
if must_name ~= '*' or named == latest then redis.call('SET', KEYS[6], latest, 'PX', open_lifetime) end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', recent_cut)
return 1
