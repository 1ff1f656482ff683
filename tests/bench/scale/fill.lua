-- Write the history of one user as engine and executor would have: decisions, reports, records of orders.
-- ARGV: the history's template as JSON ({decision, at, report, record, reported_at} per signal), the user, the orders' ids.
local history, user = cjson.decode(ARGV[1]), ARGV[2]
local tag = '{' .. user .. '}'
local function filled(fields, order)
  local out = {}
  for i, value in ipairs(fields) do
    out[i] = value == '@user' and user or value == '@order' and order or value
  end
  return out
end
for i, each in ipairs(history) do
  local order = ARGV[2 + i]
  redis.call('XADD', 'shoal:orders:' .. tag, each.at, unpack(filled(each.decision, order)))
  redis.call('XADD', 'shoal:reports:' .. tag, each.reported_at, unpack(filled(each.report, order)))
  if each.record[1] then
    redis.call('HSET', 'shoal:order:' .. tag .. ':' .. order, unpack(filled(each.record, order)))
  end
end
redis.call('XGROUP', 'CREATE', 'shoal:orders:' .. tag, 'executor', history[#history].at, 'ENTRIESREAD', #history)
