-- wrong_kind(key, kind): returns an error reply if a key is of another type than `kind`, else nil.
-- A script that fails half way leaves what it wrote. So everything that could fail is checked before the first write.
local function wrong_kind(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    return redis.error_reply('WRONGTYPE ' .. key .. ' is a ' .. found)
  end
  return nil
end
