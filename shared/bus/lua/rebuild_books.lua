-- uses: fence, rights
-- Write the lost books of an account again: the positions and the funds mark, in one step.
-- KEYS: fence, books hash, positions hash.
-- ARGV: fencing token, funds, then symbol and position record of each position.
-- Returns 'ok', 'fenced', or 'stands' if there are books or positions already: then nothing is written.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then
  return 'stands'
end
local refused = forbidden(KEYS[2], 'HSET')
  or forbidden(KEYS[3], 'HSET')
if refused then
  return refused
end
if #ARGV > 2 then
  local positions = {}
  for i = 3, #ARGV do
    positions[#positions + 1] = ARGV[i]
  end
  redis.call('HSET', KEYS[3], unpack(positions))
end
redis.call('HSET', KEYS[2], 'v', '1', 'funds', ARGV[2], 'since', '0')
return 'ok'
