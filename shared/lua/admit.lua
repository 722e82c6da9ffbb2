-- May this call be made now? If not, it waits for its channel's turn; who waits already keeps the better place.
-- KEYS bucket, hold, queue, turns   ARGV interval (ms), burst, channel, member, class, lifetime (ms) of queue and turns
-- Answer 1: go, a token is taken; 0: it waits
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local wait = wait_for_token(KEYS[1], KEYS[2], interval, burst)
if wait == 0 and (interval == 0 or redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. IN_HAND_FROM) == 0) then
  spend(KEYS[1], interval, 1)
  return 1
end
redis.call('ZREM', KEYS[3], '') -- so that full memory does not refuse what follows: see commit.lua
redis.call('ZADD', KEYS[3], 'LT', score(ARGV[5], now), ARGV[4])
redis.call('ZADD', KEYS[4], 'LT', now + wait, ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
return 0
