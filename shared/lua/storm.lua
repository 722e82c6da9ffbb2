-- What rages in a channel, and who is let past it. Builds on bucket.lua.
local function raging(storm_of) return redis.call('GET', storm_of) or '' end

local function may_pass(bypass, per_minute) return tonumber(redis.call('GET', bypass) or 0) < per_minute end

local function pass(bypass, facts)
  if redis.call('INCR', bypass) == 1 then redis.call('PEXPIRE', bypass, 60000) end
  if redis.call('EXISTS', facts) == 1 then redis.call('HINCRBY', facts, 'singly', 1) end
end
