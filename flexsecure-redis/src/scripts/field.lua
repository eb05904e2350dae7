-- One field of a hash. A script, because a replica would answer a plain read.
return redis.call('HGET', KEYS[1], ARGV[1])
