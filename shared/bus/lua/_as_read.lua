-- names_of(first, last): returns the names of the field/value pairs in this part of ARGV.
local function names_of(first, last)
  local names = {}
  for i = first, last, 2 do
    names[#names + 1] = ARGV[i]
  end
  return names
end
-- differs(key, names, as_read): returns an error reply if a key that is to be written is not a hash, or 'changed' if the values of
-- these fields are not `as_read` (with line feeds between, '' for one that is missing), else nil. Without `as_read` only the type
-- counts.
local function differs(key, names, as_read)
  local found = redis.pcall('HMGET', key, unpack(names))
  if found.err then
    return wrong_kind(key, 'hash') or found
  end
  if not as_read then
    return nil
  end
  for i = 1, #names do
    found[i] = found[i] or ''
  end
  return table.concat(found, '\n') ~= as_read and 'changed' or nil
end
