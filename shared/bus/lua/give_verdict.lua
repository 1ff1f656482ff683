-- Add an operator's verdict to the record of an order whose last send has no proven outcome. Never changes the order's state.
-- KEYS: order hash.
-- ARGV: number of the attempt that the operator judged ('' if its record has none), then field/value pairs of the verdict.
-- Returns 'ok', or 'moved' if the order has ended, or gone on to another send, in the meantime.
local now = redis.call('HMGET', KEYS[1], 'state', 'attempts')
local open = {sending = true, accepted = true, unknown = true}
if not open[now[1]] or (now[2] or '') ~= ARGV[1] then
  return 'moved'
end
local fields = {}
for i = 2, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
redis.call('HSET', KEYS[1], unpack(fields))
return 'ok'
