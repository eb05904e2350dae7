-- All elevations of a user, and the time of the server to judge them by.
local time = server_millis()
return { string.format('%.0f', time), redis.call('HGETALL', KEYS[1]) }
