-- uses: rights
-- Put a sample into its place in a ring, unless a later or the same interval has one.
-- KEYS: ring.
-- ARGV: size of the ring in bytes, offset of the place, the record, the newest interval (the ring begins with it), the label.
-- Returns 'ok', or 'known'. A ring with another label (the currency) begins again.
local refused = forbidden(KEYS[1], 'GETRANGE', 'SET', 'SETRANGE')
if refused then
  return refused
end
local length, header = tonumber(ARGV[1]), ARGV[4] .. ARGV[5]
local known = redis.call('GETRANGE', KEYS[1], 0, #header - 1)
if #known == 0 or string.sub(known, #ARGV[4] + 1) ~= ARGV[5] then
  -- Set at its full size, which then is all that Redis allocates.
  redis.call('SET', KEYS[1], header .. string.rep(' ', length - #header))
elseif string.sub(known, 1, #ARGV[4]) >= ARGV[4] then
  return 'known'
else
  redis.call('SETRANGE', KEYS[1], 0, header)
end
redis.call('SETRANGE', KEYS[1], tonumber(ARGV[2]), ARGV[3])
return 'ok'
