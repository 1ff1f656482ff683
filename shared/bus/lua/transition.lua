-- uses: fence
-- Move an order between non-terminal states; `settle` alone makes an end.
-- KEYS: fence, order hash.  ARGV: fencing token, new state, then field/value pairs to record.
-- Answers 'ok', 'fenced', or the present state where the step is not legal.
local legal = {
  sending = {accepted = true, unknown = true, planned = true},
  accepted = {unknown = true},
  unknown = {accepted = true, planned = true},
}
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local state = redis.call('HGET', KEYS[2], 'state') or 'planned'
if state ~= ARGV[2] and not (legal[state] and legal[state][ARGV[2]]) then
  return state
end
local pairs_ = {'state', ARGV[2]}
for i = 3, #ARGV do
  pairs_[#pairs_ + 1] = ARGV[i]
end
redis.call('HSET', KEYS[2], unpack(pairs_))
return 'ok'
