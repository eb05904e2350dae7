-- Revokes everybody before a time. KEYS: the time. ARGV: the new one, the channel for news.
local known = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if known < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], LONGEST)
redis.call('PUBLISH', ARGV[2], '*')
return redis.status_reply('OK')
