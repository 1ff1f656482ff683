-- uses: rights, kinds
-- Write or remove a person and their generation in one step: no session of the old password may outlive the change.
-- KEYS: people, generations.  ARGV: name, record ('' removes), holder, generation.
for _, key in ipairs(KEYS) do
  local refused = forbidden(key, 'HSET', 'HDEL') or wrong_kind(key, 'hash')
  if refused then
    return refused
  end
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[2], ARGV[3])
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
