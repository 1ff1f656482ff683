-- uses: rights
-- Write a heartbeat and its time to live in one step: a hash without one would show a dead process as alive for ever.
-- KEYS: heartbeat.  ARGV: milliseconds until it expires, then field/value pairs.
local refused = forbidden(KEYS[1], 'HSET', 'PEXPIRE')
if refused then
  return refused
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'ok'
