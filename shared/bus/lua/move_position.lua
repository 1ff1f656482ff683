-- uses: fence, kinds, rights
-- Move a position to another name of its symbol, in one step: the old field is removed, the new one holds the sum of both.
-- KEYS: fence, positions hash, and the hash of corrections if books of named masters move.
-- ARGV: fencing token, old symbol, its record as the caller read it, new symbol, its record as read ('': none), its record after,
--       then the field/value pairs of the corrections.
-- Returns 'ok', 'fenced', or 'changed' if one of them is not as the caller read it: then nothing is written.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local old = redis.call('HGET', KEYS[2], ARGV[2])
local new = redis.call('HGET', KEYS[2], ARGV[4]) or ''
if old ~= ARGV[3] or new ~= ARGV[5] then
  return 'changed'
end
local refused = forbidden(KEYS[2], 'HSET', 'HDEL') or KEYS[3] and (wrong_kind(KEYS[3], 'hash') or forbidden(KEYS[3], 'HSET'))
if refused then
  return refused
end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
redis.call('HDEL', KEYS[2], ARGV[2])
if KEYS[3] then
  local sums = {}
  for i = 7, #ARGV do
    sums[#sums + 1] = ARGV[i]
  end
  redis.call('HSET', KEYS[3], unpack(sums))
end
return 'ok'
