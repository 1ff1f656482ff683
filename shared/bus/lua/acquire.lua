-- uses: rights
-- Acquire a lease that no other process holds, with a new fencing token. The caller's own lease counts as free: its process lost
-- a turn (in an outage, for example) and begins another; the new token voids the old one.
-- KEYS: lease, fence.  ARGV: owner, time to live in ms.
-- Returns {token, now in epoch ms, 'known' or 'new'}, or false while another process holds it. 'new': the fence was missing, so
-- Redis has lost its data, or this holder is served for the first time. The token is never below the clock in microseconds, so
-- that a token from before a flush or a fail-over never comes back.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return false
end
-- Read before the first write: a lease without its token would block all processes until it expires.
local current = redis.call('GET', KEYS[2])
local now = redis.call('TIME')
local known = current and 'known' or 'new'
local token = string.format('%.0f', math.max((tonumber(current or '0') or 0) + 1, now[1] * 1000000 + now[2]))
local refused = forbidden(KEYS[1], 'SET') or forbidden(KEYS[2], 'SET')
if refused then
  return refused
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], token)
return {token, string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000)), known}
