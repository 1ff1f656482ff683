-- uses: fence
-- Record the risk state of an account after a look at it, with the stop-out that has just begun, if one has.
-- KEYS: fence, risk hash, stop-out stream.
-- ARGV: fencing token, number m of texts, m field/value texts of the state, then field/value texts of the stop-out (or none).
-- Answers 'ok', or 'fenced'.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local count = tonumber(ARGV[2])
local state, stop = {}, {}
for i = 3, #ARGV do
  local into = i <= 2 + count and state or stop
  into[#into + 1] = ARGV[i]
end
redis.call('HSET', KEYS[2], unpack(state))
if #stop > 0 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', unpack(stop))
end
return 'ok'
