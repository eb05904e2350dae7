-- Notes that a user is about to have something in a session, and tells who else may have.
-- KEYS: the session. ARGV: the user.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  redis.call('SADD', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], LONGEST)
return redis.call('SMEMBERS', KEYS[1])
