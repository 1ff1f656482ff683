-- note_market(fields, key): returns the `market` of an order's field/value pairs. If they have none, the published price of the
-- order's symbol is appended to them; one that cannot be read is left out. `key` is the prices hash, or nil.
local function note_market(fields, key)
  local symbol
  for i = 1, #fields, 2 do
    if fields[i] == 'market' then
      return fields[i + 1]
    end
    symbol = fields[i] == 'symbol' and fields[i + 1] or symbol
  end
  local price = key and symbol and redis.pcall('HGET', key, symbol)
  if type(price) ~= 'string' then
    return nil
  end
  fields[#fields + 1] = 'market'
  fields[#fields + 1] = price
  return price
end
