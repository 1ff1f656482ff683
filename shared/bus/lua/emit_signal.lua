-- uses: rights
-- Append a signal once: the same id is never appended twice, however often a fill is found.
-- KEYS: signal stream, set of emitted ids.  ARGV: signal id, now (epoch ms), ids older than this are removed (epoch ms),
--       then the signal's field/value pairs.
-- Returns the entry id, or false if it was emitted before.
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return false
end
local refused = forbidden(KEYS[1], 'XADD')
  or forbidden(KEYS[2], 'ZADD', 'ZREMRANGEBYSCORE')
if refused then
  return refused
end
local fields = {}
for i = 4, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local id = redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[3])
return id
