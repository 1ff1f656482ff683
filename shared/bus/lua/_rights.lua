-- forbidden(key, command, ...): returns an error reply if this Redis user may not run one of the commands on the key, else nil.
-- A script that is refused half way leaves what it wrote, so its commands are checked before the first write. Servers and fakes
-- without `acl_check_cmd` refuse only when the command runs.
local function forbidden(key, ...)
  if not redis.acl_check_cmd then
    return nil
  end
  for _, command in ipairs({...}) do
    if not redis.acl_check_cmd(command, key) then
      return redis.error_reply('NOPERM this Redis user may not run ' .. command .. ' on ' .. key)
    end
  end
  return nil
end
