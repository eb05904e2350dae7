-- KEYS: the flows of a user. ARGV: the system and the login whose claim is given back.
local claims = {}
local known = redis.call('HGET', KEYS[1], 'claims')
if not known then return redis.status_reply('OK') end
for system, login, held_until in string.gmatch(known, '(%x+):(%x+):(%d+)') do
  if system ~= ARGV[1] or login ~= ARGV[2] then
    claims[#claims + 1] = system .. ':' .. login .. ':' .. held_until
  end
end
if #claims == 0 then
  redis.call('HDEL', KEYS[1], 'claims')
else
  redis.call('HSET', KEYS[1], 'claims', table.concat(claims, ' '))
end
return redis.status_reply('OK')
