-- Takes tokens for several calls together, or none.
-- KEYS bucket, hold   ARGV interval (ms), burst, how many
-- Answer: milliseconds until they are there; zero: they are taken
local interval, count = tonumber(ARGV[1]), tonumber(ARGV[3])
local wait = wait_for_token(KEYS[1], KEYS[2], interval, tonumber(ARGV[2]) - count + 1)
if wait == 0 then spend(KEYS[1], interval, count) end
return wait
