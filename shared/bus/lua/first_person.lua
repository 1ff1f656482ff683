-- uses: rights, kinds
-- Create a person if there is none yet. Returns 1 if this call did, else 0: of several starts one prints the password.
-- KEYS: people, generations.  ARGV: name, record, holder, generation.
for _, key in ipairs(KEYS) do
  local refused = forbidden(key, 'HSET') or wrong_kind(key, 'hash')
  if refused then
    return refused
  end
end
if redis.call('HLEN', KEYS[1]) > 0 then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
