-- KEYS: the flows of a user, where their starts are counted too.
-- ARGV: now, token, system, login, until when the login is claimed or nothing, the window of starts,
--       how many of them.
local key, now, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[6])
local starts, oldest, is_known = {}, nil, false
for token, at in string.gmatch(redis.call('HGET', key, 'starts') or '', '(%x+):(%d+)') do
  if token == ARGV[2] then is_known = true end
  -- A start ahead of a clock that was set back would count for longer than the window.
  if tonumber(at) > now then at = ARGV[1] end
  if now - tonumber(at) < window then
    starts[#starts + 1] = token .. ':' .. at
    if not oldest or tonumber(at) < oldest then oldest = tonumber(at) end
  end
end
-- Asked again by somebody who did not hear the answer.
if is_known then return { 'admitted' } end
if #starts >= tonumber(ARGV[7]) then return { 'many', string.format('%.0f', oldest + window) } end

if ARGV[5] ~= '' then
  local claims, until_when = {}, ARGV[5]
  for system, login, held_until in string.gmatch(redis.call('HGET', key, 'claims') or '', '(%x+):(%x+):(%d+)') do
    if tonumber(held_until) > now then
      if system ~= ARGV[3] then
        claims[#claims + 1] = system .. ':' .. login .. ':' .. held_until
      elseif login ~= ARGV[4] then
        return { 'progress', held_until }
      elseif tonumber(held_until) > tonumber(until_when) then
        until_when = held_until
      end
    end
  end
  claims[#claims + 1] = ARGV[3] .. ':' .. ARGV[4] .. ':' .. until_when
  redis.call('HSET', key, 'claims', table.concat(claims, ' '))
  lengthen(key, tonumber(until_when) - now)
end
starts[#starts + 1] = ARGV[2] .. ':' .. ARGV[1]
redis.call('HSET', key, 'starts', table.concat(starts, ' '))
lengthen(key, window)
return { 'admitted' }
