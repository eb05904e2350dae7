-- Revokes what a user has. KEYS: their flows and elevations.
-- ARGV: the session, or nothing for all; before what time, or nothing for any; 'all' or 'elevations';
--       the channel.
-- What cannot be read is dropped as well.
local session, before = ARGV[1], tonumber(ARGV[2])
if ARGV[3] == 'all' then
  for _, field in ipairs(fields(KEYS[1], 'f/')) do
    local header = parse_flow(field.value)
    local of_session = session == '' or not header or header.session == session
    local of_time = not before or not header or tonumber(header.opened) < before
    if of_session and of_time then
      redis.call('HDEL', KEYS[1], field.name)
      redis.call('PUBLISH', ARGV[4], field.rest)
    end
  end
end
local prefix = session == '' and '' or session .. '/'
for _, field in ipairs(fields(KEYS[2], prefix)) do
  local header = parse_elevation(field.value)
  if not before or not header or tonumber(header.authenticated) < before then
    redis.call('HDEL', KEYS[2], field.name)
  end
end
return redis.status_reply('OK')
