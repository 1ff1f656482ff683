-- uses: fence, kinds, rights
-- Move an order between non-terminal states, or record more in the present one; only `settle` writes a terminal state.
-- KEYS: fence, order hash, positions hash, risk hash, totals hash; and the prices hash, if the published price of the order's
--       symbol is to be recorded with it (`market`): one that cannot be read is left out.
-- ARGV: fencing token, new state,
--       symbol, position record ('' symbol: no change; '' record: flat), for a leg that ended and changed the position,
--       symbol, totals record ('' symbol: no change),
--       count m of strings, m strings of field/value pairs of the risk state that this leg changed,
--       then field/value pairs to record.
-- Returns 'ok', 'fenced', or the present state if the transition is not legal, or 'unsummed' if all is written but the totals.
-- An error, and nothing written, if a key that is to be written is of another type.
local legal = {
  planned = {accepted = true, unknown = true},
  sending = {accepted = true, unknown = true, planned = true},
  accepted = {unknown = true, planned = true},
  unknown = {accepted = true, planned = true},
}
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local state = redis.call('HGET', KEYS[2], 'state') or 'planned'
if not legal[state] or (state ~= ARGV[2] and not legal[state][ARGV[2]]) then
  return state
end
local risk = {}
for i = 8, 7 + tonumber(ARGV[7]) do
  risk[#risk + 1] = ARGV[i]
end
local wrong = ARGV[3] ~= '' and wrong_kind(KEYS[3], 'hash') or #risk > 0 and wrong_kind(KEYS[4], 'hash')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[2], 'HSET')
  or ARGV[3] ~= '' and forbidden(KEYS[3], ARGV[4] == '' and 'HDEL' or 'HSET')
  or #risk > 0 and forbidden(KEYS[4], 'HSET')
if refused then
  return refused
end
if #risk > 0 then
  redis.call('HSET', KEYS[4], unpack(risk))
end
local fields = {'state', ARGV[2]}
for i = 8 + #risk, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
if KEYS[6] then
  for i = 3, #fields, 2 do
    local price = fields[i] == 'symbol' and redis.pcall('HGET', KEYS[6], fields[i + 1])
    if type(price) == 'string' then
      fields[#fields + 1] = 'market'
      fields[#fields + 1] = price
      break
    end
  end
end
redis.call('HSET', KEYS[2], unpack(fields))
if ARGV[3] ~= '' then
  if ARGV[4] == '' then
    redis.call('HDEL', KEYS[3], ARGV[3])
  else
    redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
  end
end
if ARGV[5] ~= '' then
  local summed = redis.pcall('HSET', KEYS[5], ARGV[5], ARGV[6])
  if type(summed) == 'table' and summed.err then
    return 'unsummed'
  end
end
return 'ok'
