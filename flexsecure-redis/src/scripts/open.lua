-- KEYS: the flows of a user.
-- ARGV: now, cutoff, flow, session, scope, ends, token, face, text, channel,
--       retention, flows of a session, flows of a user, a flow that cannot be read or nothing.
local key, now, cutoff = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local id, session, scope, ends, token, face, text = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local retention, per_session, per_user = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])

local flows, sequence = {}, 0
for _, field in ipairs(fields(key, 'f/')) do
  local header = parse_flow(field.value)
  if header then
    if is_revoked(header, cutoff) or field.rest == ARGV[14] then
      redis.call('HDEL', key, field.name)
      redis.call('PUBLISH', ARGV[10], field.rest)
    elseif not is_live(header, now) and now - tonumber(header.ends) >= retention then
      redis.call('HDEL', key, field.name)
    else
      flows[#flows + 1] = { id = field.rest, name = field.name, header = header, value = field.value }
      sequence = math.max(sequence, tonumber(header.sequence))
    end
  end
end
in_order(flows, function(flow) return tonumber(flow.header.opened) end)

local login, in_session, live, first_live_end, first_end_here = id, 0, 0, nil, nil
local oldest_ended_here, ended = nil, {}
for _, flow in ipairs(flows) do
  local header = flow.header
  local ends_at, lives, here = tonumber(header.ends), is_live(header, now), header.session == session
  if here and header.scope == scope then
    -- Asked again by somebody who did not hear the answer.
    if flow.id == id and header.token == token then return { 'new', header.login } end
    if lives then return { 'joined', flow.value, flow.id } end
    login = header.login
  end
  if here then
    in_session = in_session + 1
    if not first_end_here or ends_at < first_end_here then first_end_here = ends_at end
    if not lives and not oldest_ended_here then oldest_ended_here = flow end
  end
  if lives then
    live = live + 1
    if not first_live_end or ends_at < first_live_end then first_live_end = ends_at end
  else
    ended[#ended + 1] = flow
  end
end

if in_session >= per_session then
  if not oldest_ended_here then return { 'many', string.format('%.0f', first_end_here) } end
  redis.call('HDEL', key, oldest_ended_here.name)
end
if live >= per_user then return { 'many', string.format('%.0f', first_live_end) } end
-- Ended ones can be asked about for a while, but not any number of them.
for index = 1, #flows + 1 - 2 * per_user do
  if ended[index] then redis.call('HDEL', key, ended[index].name) end
end

local header = {
  form = FORM, session = session, moved = '0', scope = scope, version = '0', token = token,
  opened = ARGV[1], sequence = string.format('%.0f', sequence + 1), ends = ends, over = '0', granted = '0',
  login = login, face = face,
}
redis.call('HSET', key, 'f/' .. id, value_of(header, text))
lengthen(key, tonumber(ends) - now + retention)
return { 'new', login }
