-- Hand a lease back, if the caller still holds it.  KEYS: lease.  ARGV: owner.  Answers 1 or 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
