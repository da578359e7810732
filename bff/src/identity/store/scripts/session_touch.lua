-- Reads a cookie session and slides its idle time.
-- KEYS: session    ARGV: now, secret hash, idle
-- Returns {user, role}, or nothing.
local now = tonumber(ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'user', 'role', 'mode', 'idle', 'absolute', 'secret', 'seen')
if not s[1] or s[3] ~= 'cookie' or s[6] ~= ARGV[2] or now >= tonumber(s[4]) or now >= tonumber(s[5]) then
  return {}
end
-- A write each minute is enough for an idle time of hours.
if now - tonumber(s[7]) >= 60000 then
  redis.call('HSET', KEYS[1], 'seen', now, 'idle', math.min(now + ARGV[3], tonumber(s[5])))
end
return {s[1], s[2]}
