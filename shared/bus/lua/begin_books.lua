-- uses: fence, kinds, rights
-- Record whether an account's books are of paper or real money; if that has changed, delete their content in the same step: what
-- was held, made and lost with one kind of money does not apply to the other. The caller decides whether that is permitted.
-- KEYS: fence, books hash, then the account's hashes that are deleted (none: the books are only marked).
-- ARGV: fencing token, funds.
-- Returns the instant since which they are of this money (epoch ms; 0 if they are only marked), or false if the caller is not the
-- owner. An error, and nothing written, if the books are not a hash.
if not owns(KEYS[1], ARGV[1]) then
  return false
end
local wrong = wrong_kind(KEYS[2], 'hash')
if wrong then
  return wrong
end
local refused = forbidden(KEYS[2], 'HSET', 'HDEL')
for i = 3, #KEYS do
  refused = refused or forbidden(KEYS[i], 'DEL')
end
if refused then
  return refused
end
local since = '0'
if #KEYS > 2 then
  local now = redis.call('TIME')
  since = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
  for i = 3, #KEYS do
    redis.call('DEL', KEYS[i])
  end
  redis.call('HDEL', KEYS[2], 'key', 'other_key', 'formerly') -- the next turn records the key of these books
end
redis.call('HSET', KEYS[2], 'v', '1', 'funds', ARGV[2], 'since', since)
return since
