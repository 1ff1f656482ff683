-- uses: nonce, fence
-- Allocate a nonce for a private call that is not an order.
-- KEYS: fence, nonce counter.  ARGV: fencing token, floor, advance.
-- Returns the nonce, or false if the caller is no longer the owner.
if not owns(KEYS[1], ARGV[1]) then
  return false
end
return next_nonce(KEYS[2], tonumber(ARGV[2]), tonumber(ARGV[3]), 0)
