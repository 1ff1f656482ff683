-- uses: fence, kinds, rights
-- Write fields of several hashes of one holder in one step: an order that was not copied, and the position that it changed.
-- KEYS: fence, hash, ...  ARGV: fencing token, then three strings for each field: the number of its hash (1 is the first after
--       the fence), field, value ('': remove it).
-- Returns 'ok', or 'fenced'. An error, and nothing written, if one of them is not a hash.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
for i = 2, #KEYS do
  local wrong = wrong_kind(KEYS[i], 'hash')
  if wrong then
    return wrong
  end
end
for i = 2, #ARGV, 3 do
  local refused = forbidden(KEYS[1 + tonumber(ARGV[i])], ARGV[i + 2] == '' and 'HDEL' or 'HSET')
  if refused then
    return refused
  end
end
for i = 2, #ARGV, 3 do
  local key = KEYS[1 + tonumber(ARGV[i])]
  if ARGV[i + 2] == '' then
    redis.call('HDEL', key, ARGV[i + 1])
  else
    redis.call('HSET', key, ARGV[i + 1], ARGV[i + 2])
  end
end
return 'ok'
