-- uses: fence
-- Renew a lease that the caller still holds.
-- KEYS: lease, fence.  ARGV: owner, fencing token, time to live in ms.  Returns 1, or 0 if it is lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or not owns(KEYS[2], ARGV[2]) then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
