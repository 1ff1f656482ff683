-- uses: rights, kinds
-- Replace or remove a user's settings, if they are still those that the caller has seen, and add the version to the history.
-- What was changed by hand in between has no version of its own: it is added to the history before it is replaced.
-- KEYS: settings, history.
-- ARGV: mark that was seen ('': there were none), text, by, at (epoch ms), why, kind (set, import, restore, remove), versions kept.
-- Returns {'ok', version} or {'stale', mark}. A mark is '<version>:<SHA-1 of the text>', 'broken' for what is not such a record.
local refused = forbidden(KEYS[1], 'HSET', 'DEL') or forbidden(KEYS[2], 'XADD') or wrong_kind(KEYS[2], 'stream')
if refused then
  return refused
end
local kind = redis.call('TYPE', KEYS[1]).ok
local mark, version, text = '', 0, false
if kind == 'hash' then
  text = redis.call('HGET', KEYS[1], 'text')
  local said = redis.call('HGET', KEYS[1], 'version')
  mark = text and said and (said .. ':' .. redis.sha1hex(text)) or 'broken'
  version = tonumber(said or '') or 0
elseif kind ~= 'none' then
  mark = 'broken'
end
if mark ~= ARGV[1] then
  return {'stale', mark}
end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local known = {}
if last then
  for at = 1, #last[2], 2 do
    known[last[2][at]] = last[2][at + 1]
  end
  version = math.max(version, tonumber(known.version or '') or 0)
end
local function keep(number, what, by, at, why, how)
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[7], '*', 'version', string.format('%d', number), 'kind', how, 'by', by, 'at', at,
    'why', why, 'text', what)
end
if text and text ~= known.text then
  version = version + 1
  keep(version, text, '', ARGV[4], '', 'by hand')
end
version = version + 1
keep(version, ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
redis.call('DEL', KEYS[1])
if ARGV[6] ~= 'remove' then
  redis.call('HSET', KEYS[1], 'v', '1', 'version', string.format('%d', version), 'text', ARGV[2], 'by', ARGV[3], 'at', ARGV[4],
    'why', ARGV[5])
end
return {'ok', string.format('%d', version)}
