-- Who may have anything in a session.
return redis.call('SMEMBERS', KEYS[1])
