-- A value is a header in JSON, a line feed and the text of the record. All numbers in a header are
-- kept as texts: Lua would write large ones in a form of its own. A header of another form, or one
-- that lacks something, is as good as none; what it has beyond that is kept.
local FORM = '1'

local function parse(value, wanted)
  if not value then return nil end
  local line = string.find(value, '\n', 1, true)
  if not line then return nil end
  local ok, header = pcall(cjson.decode, string.sub(value, 1, line - 1))
  if not ok or type(header) ~= 'table' or header.form ~= FORM then return nil end
  for _, name in ipairs(wanted) do
    if type(header[name]) ~= 'string' then return nil end
  end
  return header, string.sub(value, line + 1)
end

local function value_of(header, text)
  return cjson.encode(header) .. '\n' .. text
end

-- A key is kept for at least this long, and never for longer than the longest.
local LONGEST = 7200000

local function lengthen(key, millis)
  millis = math.max(1, math.min(millis, LONGEST))
  if redis.call('PTTL', key) < millis then
    redis.call('PEXPIRE', key, string.format('%.0f', millis))
  end
end

local FLOW = { 'session', 'moved', 'scope', 'version', 'token', 'opened', 'sequence', 'ends', 'over', 'granted', 'login', 'face' }

local function parse_flow(value)
  local header, text = parse(value, FLOW)
  if not header or not tonumber(header.opened) or not tonumber(header.ends) or not tonumber(header.sequence) then
    return nil
  end
  return header, text
end

local ELEVATION = { 'spent', 'authenticated', 'opened', 'scope', 'granted', 'sequence' }

local function parse_elevation(value)
  local header, text = parse(value, ELEVATION)
  if not header or not tonumber(header.authenticated) or not tonumber(header.opened) or not tonumber(header.granted) or not tonumber(header.sequence) then
    return nil
  end
  return header, text
end

local function server_millis()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- An elevation is good for an hour at most, by the clock of whoever asks and by that of the server.
local HOUR = 3600000
local CLOCK_SKEW = 2000

local function is_outlived(header, now, server_now)
  local age = now - tonumber(header.authenticated)
  return age >= HOUR or -age > CLOCK_SKEW or server_now - tonumber(header.granted) >= HOUR
end

local function is_revoked(header, cutoff)
  return tonumber(header.opened) < cutoff or (header.authenticated and tonumber(header.authenticated) < cutoff)
end

local function is_live(header, now)
  return header.over == '0' and now < tonumber(header.ends)
end

-- The fields of a hash that begin with `prefix`: the rest of their name and the value.
local function fields(key, prefix)
  local all, found = redis.call('HGETALL', key), {}
  for index = 1, #all, 2 do
    if string.sub(all[index], 1, #prefix) == prefix then
      found[#found + 1] = { name = all[index], rest = string.sub(all[index], #prefix + 1), value = all[index + 1] }
    end
  end
  return found
end

local function in_order(list, before)
  table.sort(list, function(one, other)
    local first, second = before(one), before(other)
    if first ~= second then return first < second end
    return tonumber(one.header.sequence) < tonumber(other.header.sequence)
  end)
end
