-- uses: nonce, fence, rights
-- The write-ahead of a send: lease check, durable intent and nonce in one step. Nothing may be sent without its `ok`.
-- KEYS: fence, order hash, nonce counter.
-- ARGV: fencing token, nonce floor, then field/value pairs of the order (the venue parameters).
-- Returns {'ok', nonce, attempt}
--      or {'fenced'}           the caller is no longer the owner
--      or {'state', state}     the order is not `planned`: it is terminal, or the outcome of its last send is not proven
-- The keys are read, and so their types checked, before the first write.
if not owns(KEYS[1], ARGV[1]) then
  return {'fenced'}
end
local before = redis.call('HMGET', KEYS[2], 'state', 'attempts')
local state = before[1]
if state and state ~= 'planned' then
  return {'state', state}
end
local refused = forbidden(KEYS[2], 'HSET')
if refused then
  return refused
end
local nonce = next_nonce(KEYS[3], tonumber(ARGV[2]), 0)
local attempt = (tonumber(before[2] or '0') or 0) + 1
local pairs_ = {'state', 'sending', 'nonce', nonce, 'fence', ARGV[1], 'attempts', string.format('%.0f', attempt)}
for i = 3, #ARGV do
  pairs_[#pairs_ + 1] = ARGV[i]
end
redis.call('HSET', KEYS[2], unpack(pairs_))
return {'ok', nonce, attempt}
