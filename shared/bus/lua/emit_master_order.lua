-- uses: rights
-- Append one version of a resting order of the master once, and remember it as the last one, in one step.
-- KEYS: stream of the master's orders, hash of its resting orders (in the same slot).
-- ARGV: the venue's order id, version, what is remembered of the order ('': it has ended, nothing),
--       then the message's field/value pairs.
-- Returns the entry id, or false if this version, or a later one, was emitted before.
local entry_field, version_field = ARGV[1] .. '|entry', ARGV[1] .. '|version'
local known = tonumber(redis.call('HGET', KEYS[2], version_field) or '0') or 0
if known >= tonumber(ARGV[2]) then
  return false
end
local refused = forbidden(KEYS[1], 'XADD') or forbidden(KEYS[2], 'HGET', 'HSET', 'HDEL')
if refused then
  return refused
end
local fields = {}
for i = 4, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[1], entry_field, version_field)
else
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3], version_field, ARGV[2])
  if not redis.call('HGET', KEYS[2], entry_field) then
    redis.call('HSET', KEYS[2], entry_field, id)
  end
end
return id
