-- uses: fence, kinds, rights
-- Record the risk state of an account after a look at it, with the stop-out that has just begun, if one has.
-- KEYS: fence, risk hash, stop-out stream.
-- ARGV: fencing token, number m of texts, m field/value texts of the state, then field/value texts of the stop-out (or none).
-- Answers 'ok', or 'fenced'. An error, and nothing written, if a key that is to be written holds something else.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local count = tonumber(ARGV[2])
local state, stop = {}, {}
for i = 3, #ARGV do
  local into = i <= 2 + count and state or stop
  into[#into + 1] = ARGV[i]
end
local wrong = wrong_kind(KEYS[2], 'hash') or #stop > 0 and wrong_kind(KEYS[3], 'stream')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[2], 'HSET')
  or #stop > 0 and forbidden(KEYS[3], 'XADD')
if refused then
  return refused
end
redis.call('HSET', KEYS[2], unpack(state))
if #stop > 0 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', unpack(stop))
end
return 'ok'
