-- uses: fence, kinds, rights
-- Write a state of the user's, and the event that has just changed it, if there is one: the risk state of an account with a
-- stop-out, or the user's stage with a step.
-- KEYS: fence, hash of the state, stream of the events.
-- ARGV: fencing token, count m of strings, m strings of the state's field/value pairs, then those of the event (or none).
-- Returns 'ok', or 'fenced'. An error, and nothing written, if a key that is to be written is of another type.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local count = tonumber(ARGV[2])
local state, event = {}, {}
for i = 3, #ARGV do
  local into = i <= 2 + count and state or event
  into[#into + 1] = ARGV[i]
end
local wrong = wrong_kind(KEYS[2], 'hash') or #event > 0 and wrong_kind(KEYS[3], 'stream')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[2], 'HSET')
  or #event > 0 and forbidden(KEYS[3], 'XADD')
if refused then
  return refused
end
redis.call('HSET', KEYS[2], unpack(state))
if #event > 0 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', unpack(event))
end
return 'ok'
