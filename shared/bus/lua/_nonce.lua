-- next_nonce(key, floor, advance): returns the next nonce of one API key, strictly above every earlier one.
-- A missing counter is seeded with the clock in microseconds (UTC), and no answer is ever below `floor`, which callers set to the
-- highest nonce they have seen: a flush, a fail-over or a clock that steps back cannot make the counter fall.
-- `advance` skips that many nonces above all that.
-- Numbers stay below 2^53, so Lua's doubles hold them exactly until the year 2255.
local function next_nonce(key, floor, advance)
  local current = redis.call('GET', key)
  if not current then
    local now = redis.call('TIME')
    current = now[1] * 1000000 + now[2]
    redis.call('SET', key, string.format('%.0f', math.max(current, floor)))
  elseif tonumber(current) < floor then
    redis.call('SET', key, string.format('%.0f', floor))
  end
  if advance > 0 then
    -- Another program has used higher nonces, perhaps by a clock ahead of ours: start at the clock at least.
    local now = redis.call('TIME')
    local at_least = now[1] * 1000000 + now[2]
    if tonumber(redis.call('GET', key)) < at_least then
      redis.call('SET', key, string.format('%.0f', at_least))
    end
  end
  return string.format('%.0f', redis.call('INCRBY', key, advance + 1))
end
