-- uses: fence, kinds, as_read, rights
-- Settle an order: write its terminal state, its report and the changed position and risk state, and acknowledge its entry, in
-- one step.
-- KEYS: fence, order hash, report stream, order stream, positions hash, risk hash, totals hash, account hash; and the prices hash,
--       if the published price of the order's symbol is to be recorded with it (`market`) and was not before.
-- ARGV: fencing token, terminal state, retention of the order hash in ms,
--       group, entry id ('' if the order did not come from the stream),
--       symbol, position record ('' symbol: no change; '' record: flat),
--       symbol, totals record ('' symbol: no change),
--       whether the books must be as they were read ('' if not), and how they were read: position record, totals record ('' if there
--       was none), the values of the risk state's fields that are written, with line feeds between,
--       symbol of the price ('' without that key),
--       count k, k strings of field/value pairs that the order's record has had since its write-ahead, written if it was lost,
--       count n, n strings of its other field/value pairs, count m, m strings of the risk state's field/value pairs,
--       count l, l strings of field/value pairs of the account, written if it has an equity,
--       then the report's field/value pairs. The report gets the order's `market` as well, if it was recorded, here or before
--       (transition.lua).
-- Returns 'ok', 'fenced', or 'already' if it was settled before (the entry is acknowledged nevertheless), or 'changed' if the books
-- are not as they were read: then nothing is written; or 'unsummed' if all is written but the totals: they can be summed up again
-- from the reports, so no order's end may depend on them. Nor on the account: it is written again within a minute.
-- An error, and nothing written, if the state is not terminal, a key that is to be written is of another type or a command is
-- forbidden. An order stream of another type has lost the entry: there is nothing to be acknowledged.
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
    redis.pcall('XACK', KEYS[4], ARGV[4], ARGV[5])
  end
  return 'already'
end
local begun = 15 + tonumber(ARGV[15]) -- each of these is where a part of ARGV ends
local record = begun + 1 + tonumber(ARGV[begun + 1])
local risk = record + 1 + tonumber(ARGV[record + 1])
local account = risk + 1 + tonumber(ARGV[risk + 1])
local guarded, changes_risk = ARGV[10] ~= '', risk > record + 1
local wrong = ARGV[6] ~= '' and differs(KEYS[5], {ARGV[6]}, guarded and ARGV[11])
  or changes_risk and differs(KEYS[6], names_of(record + 2, risk), guarded and ARGV[13])
if wrong then
  return wrong
end
if ARGV[8] ~= '' and guarded then
  local sums = redis.pcall('HGET', KEYS[7], ARGV[8])
  if (sums or '') ~= ARGV[12] and type(sums) ~= 'table' then
    return 'changed'
  end
end
local refused = forbidden(KEYS[2], 'HSET', 'PEXPIRE')
  or forbidden(KEYS[3], 'XADD')
  or ARGV[5] ~= '' and forbidden(KEYS[4], 'XACK')
  or ARGV[6] ~= '' and forbidden(KEYS[5], ARGV[7] == '' and 'HDEL' or 'HSET')
  or changes_risk and forbidden(KEYS[6], 'HSET')
if refused then
  return refused
end
local noted = not market and ARGV[14] ~= '' and redis.pcall('HGET', KEYS[9], ARGV[14])
local report = {unpack(ARGV, account + 1)}
if market or type(noted) == 'string' then
  report[#report + 1] = 'market'
  report[#report + 1] = market or noted
end
local reported = redis.pcall('XADD', KEYS[3], '*', unpack(report)) -- the first write: its failure leaves nothing behind
if type(reported) == 'table' and reported.err then
  return wrong_kind(KEYS[3], 'stream') or reported
end
if not state and begun > 15 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 16, begun))
end
local ended = {unpack(ARGV, begun + 2, record)}
if type(noted) == 'string' then
  ended[#ended + 1] = 'market'
  ended[#ended + 1] = noted
end
redis.call('HSET', KEYS[2], 'state', ARGV[2], unpack(ended))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if changes_risk then
  redis.call('HSET', KEYS[6], unpack(ARGV, record + 2, risk))
end
if ARGV[6] ~= '' then
  if ARGV[7] == '' then
    redis.call('HDEL', KEYS[5], ARGV[6])
  else
    redis.call('HSET', KEYS[5], ARGV[6], ARGV[7])
  end
end
if ARGV[5] ~= '' then
  redis.pcall('XACK', KEYS[4], ARGV[4], ARGV[5])
end
if account > risk + 1 and type(redis.pcall('HGET', KEYS[8], 'equity')) == 'string' then
  redis.pcall('HSET', KEYS[8], unpack(ARGV, risk + 2, account))
end
if ARGV[8] ~= '' then
  local summed = redis.pcall('HSET', KEYS[7], ARGV[8], ARGV[9])
  if type(summed) == 'table' and summed.err then
    return 'unsummed'
  end
end
return 'ok'
