-- KEYS: the elevations of a user. ARGV: now, cutoff, session/flow, token.
local value = redis.call('HGET', KEYS[1], ARGV[3])
if not value then return 'no' end
local header, text = parse_elevation(value)
if not header then return 'unreadable' end
-- Asked again by somebody who did not hear the answer.
if header.spent == ARGV[4] then return 'yes' end
if header.spent ~= '0' or is_revoked(header, tonumber(ARGV[2])) then return 'no' end
if is_outlived(header, tonumber(ARGV[1]), server_millis()) then return 'no' end
header.spent = ARGV[4]
redis.call('HSET', KEYS[1], ARGV[3], value_of(header, text))
return 'yes'
