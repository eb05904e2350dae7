-- KEYS: the flows and the elevations of a user.
-- ARGV: now, cutoff, flow, session, version before, version, token, ends, over, face, text, when it was
--       refused, channel, retention, the text of the elevation to grant, when it was authenticated,
--       its scope, how far back refusals count, how many of them.
local key, now, cutoff = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local name = 'f/' .. ARGV[3]
local value = redis.call('HGET', key, name)
if not value then return 'gone' end
local header = parse_flow(value)
if not header then return 'unreadable' end
if is_revoked(header, cutoff) then
  redis.call('HDEL', key, name)
  redis.call('PUBLISH', ARGV[13], ARGV[3])
  return 'gone'
end
if header.session ~= ARGV[4] and header.moved == '0' then return 'gone' end
-- Asked again by somebody who did not hear the answer.
if header.version == ARGV[6] and header.token == ARGV[7] then return 'done' end
if header.version ~= ARGV[5] then return 'conflict' end

if ARGV[15] ~= '' and header.granted == '0' then
  local elevations, server_now, sequence = KEYS[2], server_millis(), 0
  local prefix = header.session .. '/'
  for _, field in ipairs(fields(elevations, '')) do
    local held = parse_elevation(field.value)
    if held then
      sequence = math.max(sequence, tonumber(held.sequence))
      local here = string.sub(field.name, 1, #prefix) == prefix
      local outlived = server_now - tonumber(held.granted) >= HOUR
      if outlived or (here and (held.scope == ARGV[17] or is_outlived(held, now, server_now))) then
        redis.call('HDEL', elevations, field.name)
      end
    end
  end
  local elevation = {
    form = FORM, spent = '0', authenticated = ARGV[16], opened = header.opened, scope = ARGV[17],
    granted = string.format('%.0f', server_now), sequence = string.format('%.0f', sequence + 1),
  }
  redis.call('HSET', elevations, prefix .. ARGV[3], value_of(elevation, ARGV[15]))
  redis.call('PEXPIRE', elevations, HOUR)
  header.granted = '1'
end

if ARGV[12] ~= '' and header.over == '0' then
  local at, kept = tonumber(ARGV[12]), {}
  for known in string.gmatch(redis.call('HGET', key, 'refusals') or '', '%d+') do
    if at - tonumber(known) < tonumber(ARGV[18]) then kept[#kept + 1] = known end
  end
  if #kept >= tonumber(ARGV[19]) then table.remove(kept, 1) end
  kept[#kept + 1] = ARGV[12]
  redis.call('HSET', key, 'refusals', table.concat(kept, ' '))
  lengthen(key, tonumber(ARGV[18]))
end

local is_news = header.face ~= ARGV[10]
header.version, header.token, header.ends = ARGV[6], ARGV[7], ARGV[8]
header.over, header.face = ARGV[9], ARGV[10]
redis.call('HSET', key, name, value_of(header, ARGV[11]))
lengthen(key, tonumber(ARGV[8]) - now + tonumber(ARGV[14]))
if is_news then redis.call('PUBLISH', ARGV[13], ARGV[3]) end
return 'done'
