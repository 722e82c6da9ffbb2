-- A consumer leaves its group. What it has not finished is handed back: it looks as if it had been idle for long, so that a sibling
-- takes it over at once. With nothing left the consumer goes too; its pending entries would be thrown away with it.
-- KEYS the stream   ARGV group, consumer, idle time (ms) after which siblings take over
-- Answer: how many entries were handed back
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 10000, ARGV[2])
if #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  return 0
end
for _, entry in ipairs(pending) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'IDLE', ARGV[3], 'JUSTID')
end
return #pending
