-- KEYS bucket   ARGV interval (ms), tokens to take, or, below zero, to give back
spend(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
return 1
