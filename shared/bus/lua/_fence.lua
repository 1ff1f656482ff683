-- owns(fence_key, token): returns whether the caller's fencing token is the current one.
local function owns(fence_key, token)
  return redis.call('GET', fence_key) == token
end
