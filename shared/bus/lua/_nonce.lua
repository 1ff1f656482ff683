-- next_nonce(key, floor, advance, spare): returns the next nonce of one API key, strictly above every earlier one; the `spare` ones
-- after it belong to the caller too.
-- A missing counter is seeded with the clock in microseconds (UTC), and no answer is ever below `floor`, which callers set to the
-- highest nonce they have seen: a flush, a fail-over or a clock that steps back cannot make the counter fall.
-- `advance` skips that many nonces above all that, and starts at the clock at least: another program may have used higher nonces, by
-- a clock ahead of ours.
-- Numbers stay below 2^53, so Lua's doubles hold them exactly until the year 2255.
local function next_nonce(key, floor, advance, spare)
  local step = advance + 1 + spare
  local before = redis.call('INCRBY', key, step) - step
  local base = math.max(before, floor)
  if before == 0 or advance > 0 then
    local now = redis.call('TIME')
    base = math.max(base, now[1] * 1000000 + now[2])
  end
  if base > before then
    redis.call('SET', key, string.format('%.0f', base + step))
  end
  return string.format('%.0f', base + step - spare)
end
