-- uses: fence, rights
-- Move a position to another name of its symbol, in one step: the old field is removed, the new one holds the sum of both.
-- KEYS: fence, positions hash.
-- ARGV: fencing token, old symbol, its record as the caller read it, new symbol, its record as read ('': none), its record after.
-- Returns 'ok', 'fenced', or 'changed' if one of them is not as the caller read it: then nothing is written.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local old = redis.call('HGET', KEYS[2], ARGV[2])
local new = redis.call('HGET', KEYS[2], ARGV[4]) or ''
if old ~= ARGV[3] or new ~= ARGV[5] then
  return 'changed'
end
local refused = forbidden(KEYS[2], 'HSET', 'HDEL')
if refused then
  return refused
end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
redis.call('HDEL', KEYS[2], ARGV[2])
return 'ok'
