-- uses: fence, kinds, rights, market
-- Settle an order: write its terminal state, its report and the changed position and risk state, and acknowledge its entry, in
-- one step.
-- KEYS: fence, order hash, report stream, order stream, positions hash, risk hash, totals hash; and the prices hash, if the
--       published price of the order's symbol is to be recorded with it (`market`) and was not before.
-- ARGV: fencing token, terminal state, retention of the order hash in ms,
--       group, entry id ('' if the order did not come from the stream),
--       symbol, position record ('' symbol: no change; '' record: flat),
--       symbol, totals record ('' symbol: no change),
--       count n of strings, n strings of the order's field/value pairs, count m, m strings of the risk state's field/value pairs,
--       then the report's field/value pairs. The report gets the order's `market` as well, if it was recorded,
--       here or before (transition.lua).
-- Returns 'ok', 'fenced', or 'already' if it was settled before (the entry is acknowledged nevertheless), or 'unsummed' if all is
-- written but the totals: they can be summed up again from the reports, so no order's end may depend on them.
-- An error, and nothing written, if the state is not terminal, a key is of another type or a command is forbidden.
local ends = {filled = true, partial = true, skipped = true, rejected = true, expired = true, failed = true}
if not ends[ARGV[2]] then
  return redis.error_reply('ERR not a terminal state: ' .. ARGV[2])
end
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
local before = redis.call('HMGET', KEYS[2], 'state', 'market')
local state, market = before[1], before[2]
if state and ends[state] then
  if ARGV[5] ~= '' then
    redis.call('XACK', KEYS[4], ARGV[4], ARGV[5])
  end
  return 'already'
end
local kinds = {'stream', 'stream', 'hash', 'hash'}
for i = 3, 6 do -- the order's own has just been read
  local wrong = wrong_kind(KEYS[i], kinds[i - 2])
  if wrong then
    return wrong
  end
end
local refused = forbidden(KEYS[2], 'HSET', 'PEXPIRE')
  or forbidden(KEYS[3], 'XADD')
  or ARGV[5] ~= '' and forbidden(KEYS[4], 'XACK')
  or ARGV[6] ~= '' and forbidden(KEYS[5], ARGV[7] == '' and 'HDEL' or 'HSET')
  or tonumber(ARGV[11 + tonumber(ARGV[10])]) > 0 and forbidden(KEYS[6], 'HSET')
if refused then
  return refused
end
local count = tonumber(ARGV[10])
local fields = {'state', ARGV[2]}
for i = 11, 10 + count do
  fields[#fields + 1] = ARGV[i]
end
market = market or note_market(fields, KEYS[8])
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local after = 11 + count
local risk = {}
for i = after + 1, after + tonumber(ARGV[after]) do
  risk[#risk + 1] = ARGV[i]
end
if #risk > 0 then
  redis.call('HSET', KEYS[6], unpack(risk))
end
local report = {}
for i = after + #risk + 1, #ARGV do
  report[#report + 1] = ARGV[i]
end
if market then
  report[#report + 1] = 'market'
  report[#report + 1] = market
end
redis.call('XADD', KEYS[3], '*', unpack(report))
if ARGV[6] ~= '' then
  if ARGV[7] == '' then
    redis.call('HDEL', KEYS[5], ARGV[6])
  else
    redis.call('HSET', KEYS[5], ARGV[6], ARGV[7])
  end
end
if ARGV[5] ~= '' then
  redis.call('XACK', KEYS[4], ARGV[4], ARGV[5])
end
if ARGV[8] ~= '' then
  local summed = redis.pcall('HSET', KEYS[7], ARGV[8], ARGV[9])
  if type(summed) == 'table' and summed.err then
    return 'unsummed'
  end
end
return 'ok'
