-- Return the record of a session that is alive, and put off its idle time-out, never beyond its absolute end.
-- A session whose generation is not the current one (password changed, person removed, follower revoked) is deleted.
-- KEYS: session, generations.  Returns the record (JSON) or nil.
local text = redis.call('GET', KEYS[1])
if not text then
  return false
end
local session = cjson.decode(text)
local time = redis.call('TIME')
local left = session['until'] - (time[1] * 1000 + math.floor(time[2] / 1000))
if left <= 0 or redis.call('HGET', KEYS[2], session.holder) ~= session.generation then
  redis.call('DEL', KEYS[1])
  return false
end
redis.call('PEXPIRE', KEYS[1], math.min(left, session.idle))
return text
