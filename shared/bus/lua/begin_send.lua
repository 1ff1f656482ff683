-- uses: nonce, fence, rights
-- The write-ahead of a send: lease check, durable intent and nonce in one step. Nothing may be sent without its `ok`.
-- KEYS: fence, order hash, nonce counter (not at a venue without nonces), then the hashes of the kill switches that concern the
--       order (or none).
-- ARGV: fencing token, nonce floor ('' at a venue without nonces), number of further nonces to allocate, for questions about the
--       order, then field/value pairs of the order (the venue parameters).
-- Returns {'ok', nonce, attempt}   nonce 0 at a venue without nonces
--      or {'fenced'}           the caller is no longer the owner
--      or {'switch'}           a kill switch is set, or cannot be read: the caller judges what it means
--      or {'state', state}     the order is not `planned`: it is terminal, or the outcome of its last send is not proven
-- The keys are read, and so their types checked, before the first write.
if not owns(KEYS[1], ARGV[1]) then
  return {'fenced'}
end
local counts = ARGV[2] ~= ''
for i = counts and 4 or 3, #KEYS do
  local mode = redis.pcall('HGET', KEYS[i], 'mode')
  if mode and mode ~= '' and mode ~= 'run' then
    return {'switch'}
  end
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
local nonce = counts and next_nonce(KEYS[3], tonumber(ARGV[2]), 0, tonumber(ARGV[3])) or '0'
local attempt = (tonumber(before[2] or '0') or 0) + 1
redis.call('HSET', KEYS[2], 'state', 'sending', 'nonce', nonce, 'fence', ARGV[1], 'attempts', string.format('%.0f', attempt),
  unpack(ARGV, 4))
return {'ok', nonce, attempt}
