-- Before what time everybody is revoked.
return redis.call('GET', KEYS[1])
