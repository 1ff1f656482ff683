-- uses: fence, kinds, rights
-- Retire the old name of a renamed user, in one step: its books record the new name and are emptied: nothing is sold by them.
-- KEYS: fence, following hash, then for each venue: books hash, positions, risk, own exits, differences, account, totals.
-- ARGV: fencing token, new name, now (epoch ms), last entry id that was due to the old name, funds for books without a mark.
-- Returns 'ok', or 'fenced'.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
for i = 2, #KEYS do
  local wrong = (i == 2 or (i - 3) % 7 == 0) and wrong_kind(KEYS[i], 'hash')
  if wrong then
    return wrong
  end
end
local refused = forbidden(KEYS[2], 'HGET', 'HSET')
for i = 3, #KEYS do
  refused = refused or forbidden(KEYS[i], (i - 3) % 7 == 0 and 'HSET' or 'DEL')
end
if refused then
  return refused
end
for i = 3, #KEYS, 7 do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('HSET', KEYS[i], 'v', '1', 'funds', ARGV[5], 'since', '0')
  end
  redis.call('HSET', KEYS[i], 'renamed_to', ARGV[2], 'renamed_at', ARGV[3])
  for k = i + 1, i + 6 do
    redis.call('DEL', KEYS[k])
  end
end
if redis.call('EXISTS', KEYS[2]) == 1 and (redis.call('HGET', KEYS[2], 'until') or '') == '' then
  redis.call('HSET', KEYS[2], 'until', ARGV[4])
end
return 'ok'
