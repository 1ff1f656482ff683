-- uses: fence
-- Write one field of a user's hash, outside of any order's transitions: a position that an operator has corrected or whose
-- highest price has risen, or one of the user's own exits that begins or has ended.
-- KEYS: fence, hash.  ARGV: fencing token, field, value ('': remove it).
-- Returns 'ok', or 'fenced'.
if not owns(KEYS[1], ARGV[1]) then
  return 'fenced'
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[2], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
return 'ok'
