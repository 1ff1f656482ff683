-- uses: rights
-- Count an attempt; the window begins with the first.
-- KEYS: counter.  ARGV: window in ms.  Returns the count, and the milliseconds until the window ends.
local refused = forbidden(KEYS[1], 'INCR', 'PEXPIRE', 'PTTL')
if refused then
  return refused
end
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return {count, redis.call('PTTL', KEYS[1])}
