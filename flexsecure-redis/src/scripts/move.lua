-- Moves what a user has in one session to another. KEYS: their flows and elevations.
-- ARGV: from, to, the channel.
-- What cannot be read is dropped: somebody else who can might find it under the id given up.
local from, to = ARGV[1], ARGV[2]
for _, field in ipairs(fields(KEYS[1], 'f/')) do
  local header, text = parse_flow(field.value)
  if header and header.session == from then
    header.session, header.moved = to, '1'
    redis.call('HSET', KEYS[1], field.name, value_of(header, text))
    redis.call('PUBLISH', ARGV[3], field.rest)
  elseif not header then
    redis.call('HDEL', KEYS[1], field.name)
  end
end

-- Both; of two for one scope the later, so that a spent one stays so.
local both = {}
for _, session in ipairs({ to, from }) do
  local list = {}
  for _, field in ipairs(fields(KEYS[2], session .. '/')) do
    local header, text = parse_elevation(field.value)
    redis.call('HDEL', KEYS[2], field.name)
    if header then list[#list + 1] = { flow = field.rest, header = header, text = text } end
  end
  in_order(list, function() return 0 end)
  for _, elevation in ipairs(list) do
    elevation.header.sequence = tostring(#both + 1)
    both[#both + 1] = elevation
  end
end
in_order(both, function(elevation) return tonumber(elevation.header.authenticated) end)
local latest = {}
for index, elevation in ipairs(both) do latest[elevation.header.scope] = index end
local sequence = 0
for index, elevation in ipairs(both) do
  if latest[elevation.header.scope] == index then
    sequence = sequence + 1
    elevation.header.sequence = tostring(sequence)
    redis.call('HSET', KEYS[2], to .. '/' .. elevation.flow, value_of(elevation.header, elevation.text))
  end
end
if sequence > 0 then redis.call('PEXPIRE', KEYS[2], HOUR) end
return redis.status_reply('OK')
