-- uses: fence
-- Release a lease, if the caller still holds it: the same process under an older token is another turn, and not the owner.
-- KEYS: lease, fence.  ARGV: owner, fencing token.  Returns 1 or 0.
if redis.call('GET', KEYS[1]) == ARGV[1] and owns(KEYS[2], ARGV[2]) then
  return redis.call('DEL', KEYS[1])
end
return 0
