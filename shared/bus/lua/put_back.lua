-- uses: kinds, rights
-- Make a dead-lettered entry pending again under its own id, for the stream's only consumer, and remove its dead letters.
-- KEYS: stream, its dead-letter stream.  ARGV: group (and consumer), entry id, then the ids of the dead letters.
-- Returns 1, or 0 if the entry is no longer in the stream; then nothing has been changed.
-- An error, and nothing changed, if the dead-letter key is not a stream.
if #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) == 0 then
  return 0
end
local wrong = wrong_kind(KEYS[2], 'stream')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[1], 'XCLAIM')
  or forbidden(KEYS[2], 'XDEL')
if refused then
  return refused
end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[1], 0, ARGV[2], 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
for i = 3, #ARGV do
  redis.call('XDEL', KEYS[2], ARGV[i])
end
return 1
