-- uses: kinds, rights
-- Take one of the connects to a venue that all processes of an address share, or learn how long to wait for one.
-- KEYS: connects (a sorted set by instant).  ARGV: connects per window, window in ms, how many of them are kept from this caller,
--       a unique name of this connect.
-- Returns 0 if it was taken, else the milliseconds until one is free for a caller of this kind. Redis's clock decides. A connect
-- counts from when it was taken, whatever became of it; the set is gone one window after the last.
local wrong = wrong_kind(KEYS[1], 'zset')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[1], 'ZADD', 'ZREMRANGEBYSCORE', 'PEXPIRE')
if refused then
  return refused
end
local window = tonumber(ARGV[2])
local most = tonumber(ARGV[1]) - tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- An instant ahead of now is from before Redis's clock was set back: it counts as one of now, so that it counts for a window.
for _, connect in ipairs(redis.call('ZRANGE', KEYS[1], string.format('(%.0f', now), '+inf', 'BYSCORE')) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), connect)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
local taken = redis.call('ZCARD', KEYS[1])
if taken < most then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[4])
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
-- One is free for this caller as soon as so many of the oldest have left the window that fewer than `most` remain.
local oldest = redis.call('ZRANGE', KEYS[1], taken - most, taken - most, 'WITHSCORES')
return math.max(tonumber(oldest[2]) + window - now, 1)
