-- Incidents that a storm's record lists, and that live.
-- KEYS children   ARGV lifetime (ms), id, id, …
for index = 2, #ARGV do redis.call('SADD', KEYS[1], ARGV[index]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
