-- uses: fence, rights
-- The write-ahead of a replay: the same request is about to be sent again, at a venue that answers with the first order.
-- KEYS: fence, order hash, then the hashes of the kill switches that concern the order (or none).
-- ARGV: fencing token, client order id, deadline of the repeated request (epoch ms).
-- Returns {'ok', deadline}    the recorded deadline: the latest of all that were ever written ahead for this send
--      or {'fenced'}           the caller is no longer the owner
--      or {'switch'}           a kill switch is set, or cannot be read: the caller judges what it means
--      or {'state', state}     the record is not one of a send of that client order id whose outcome is open
if not owns(KEYS[1], ARGV[1]) then
  return {'fenced'}
end
for i = 3, #KEYS do
  local mode = redis.pcall('HGET', KEYS[i], 'mode')
  if mode and mode ~= '' and mode ~= 'run' then
    return {'switch'}
  end
end
local before = redis.call('HMGET', KEYS[2], 'state', 'client_order_id', 'deadline_at', 'attempts')
local state = before[1] or 'planned'
if (state ~= 'sending' and state ~= 'unknown') or before[2] ~= ARGV[2] then
  return {'state', state}
end
local refused = forbidden(KEYS[2], 'HSET')
if refused then
  return refused
end
local deadline = math.max(tonumber(before[3] or '0') or 0, tonumber(ARGV[3]))
local attempt = (tonumber(before[4] or '0') or 0) + 1
deadline = string.format('%.0f', deadline)
redis.call('HSET', KEYS[2], 'state', 'unknown', 'fence', ARGV[1], 'deadline_at', deadline,
  'attempts', string.format('%.0f', attempt))
return {'ok', deadline}
