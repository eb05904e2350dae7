-- All elevations of a user, and the time of the server in microseconds: to judge them by, and to know
-- the later of two readings.
local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
return { string.format('%.0f', micros), redis.call('HGETALL', KEYS[1]) }
