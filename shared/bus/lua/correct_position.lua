-- uses: fence
-- Correct what is recorded as held of a symbol, without an order: an operator has asked for it.
-- KEYS: fence, positions hash.  ARGV: fencing token, symbol, position record ('': flat).
-- Answers 'ok', or 'fenced'.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
return 'ok'
