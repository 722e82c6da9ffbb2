-- May this call be made now? If not, it waits for its channel's turn; who waits already keeps the better place. First posts beyond
-- the threshold begin a storm; while one rages, they join it.
-- KEYS bucket, hold, queue, turns, storm of the channel, bypass, storms, facts of a storm that may begin
-- ARGV interval (ms), burst, channel, member, class, lifetime (ms) of queue and turns,
--      threshold (0: no storms), bypass per minute, quiet (ms), id of a storm that may begin, lifetime (ms) of a storm
-- Answer {what, storm}: go, a token is taken; wait; begun: waits, and a storm has begun; join: the storm, instead;
--                       overflow: the same, for who would have been let past it
local interval, burst, class = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[5])
local wait = wait_for_token(KEYS[1], KEYS[2], interval, burst)
local storm, is_first = raging(KEYS[5]), class >= LOUD and class < NOT_FIRST

if storm ~= '' and is_first then
  redis.call('PEXPIRE', KEYS[5], ARGV[9] + 60000)
  if class >= POST then return {'join', storm} end
  if not may_pass(KEYS[6], tonumber(ARGV[8])) then return {'overflow', storm} end
elseif wait == 0 and (interval == 0 or redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. IN_HAND_FROM) == 0) then
  spend(KEYS[1], interval, 1)
  return {'go', ''}
end

redis.call('ZREM', KEYS[3], '') -- so that full memory does not refuse what follows: see commit.lua
redis.call('ZADD', KEYS[3], 'LT', score(class, now), ARGV[4])
redis.call('ZADD', KEYS[4], 'LT', now + wait, ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('PEXPIRE', KEYS[4], ARGV[6])

local threshold = tonumber(ARGV[7])
if not is_first or storm ~= '' or threshold == 0 then return {'wait', ''} end
if redis.call('ZCOUNT', KEYS[3], score(LOUD, 0), '(' .. score(NOT_FIRST, 0)) <= threshold then return {'wait', ''} end
redis.call('SET', KEYS[5], ARGV[10], 'PX', ARGV[9] + 60000)
redis.call('HSET', KEYS[8], 'channel', ARGV[3], 'begun', now, 'last', now)
redis.call('PEXPIRE', KEYS[8], ARGV[11])
redis.call('ZADD', KEYS[7], now + ARGV[9], ARGV[10])
redis.call('PEXPIRE', KEYS[7], ARGV[11])
redis.call('ZADD', KEYS[4], 'LT', now, ARGV[3])
return {'begun', ARGV[10]}
