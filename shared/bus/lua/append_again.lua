-- uses: rights
-- Move an entry to the end of its stream, under a new id, so that the groups of the stream read it again.
-- KEYS: stream.  ARGV: entry id.
-- Returns the new id, or false if the entry is no longer in the stream: trimmed, or moved before.
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then
  return false
end
local refused = forbidden(KEYS[1], 'XADD', 'XDEL')
if refused then
  return refused
end
local id = redis.call('XADD', KEYS[1], '*', unpack(found[1][2]))
redis.call('XDEL', KEYS[1], ARGV[1])
return id
