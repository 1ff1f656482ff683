-- Note in the index that a user's settings have changed, so that every process reads them at its next look.
-- An older version than the one that is noted changes nothing but the token: two writers may come here in another order.
-- KEYS: index.  ARGV: user, version ('': they were removed), token of this change, group.
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  local noted = redis.call('HGET', KEYS[1], ARGV[1])
  local version = noted and tonumber(string.match(noted, '^%d+')) or 0
  if version <= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
  end
end
redis.call('HSET', KEYS[1], '.', ARGV[3])
return 'ok'
