-- What was handed out is dealt with, unless it waits anew by now.
-- KEYS bucket, queue, turns   ARGV interval (ms), channel, member, its score while it was in hand, tokens that it did not need
if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[3]) or 0) == tonumber(ARGV[4]) then redis.call('ZREM', KEYS[2], ARGV[3]) end
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZREM', KEYS[3], ARGV[2]) end
spend(KEYS[1], tonumber(ARGV[1]), -ARGV[5])
return 1
