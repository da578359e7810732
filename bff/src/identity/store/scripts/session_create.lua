-- Stores a session; when its user has too many, the oldest go.
-- KEYS: session, sessions of the user, revoked, era of the user
-- ARGV: now, id, absolute deadline, most sessions, key prefix, keep revoked, era, field, value, …
-- Returns the ids of the sessions that went; nil when all sessions of the user
-- were ended since the era that the sign-in began in.
local now, id = tonumber(ARGV[1]), ARGV[2]
if (redis.call('GET', KEYS[4]) or '0') ~= ARGV[7] then
  return nil
end
for i = 8, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3] - now)
redis.call('ZADD', KEYS[2], now, id)
-- Other sessions in it may have been given longer.
if redis.call('PTTL', KEYS[2]) < ARGV[3] - now then
  redis.call('PEXPIRE', KEYS[2], ARGV[3] - now)
end

local gone = {}
local live = 0
local ids = redis.call('ZREVRANGE', KEYS[2], 0, -1)
for _, other in ipairs(ids) do
  local key = ARGV[5] .. other
  local idle = other == id and now + 1 or tonumber(redis.call('HGET', key, 'idle'))
  if not idle or idle <= now then
    redis.call('ZREM', KEYS[2], other)
    redis.call('DEL', key)
  elseif live >= tonumber(ARGV[4]) then
    redis.call('ZREM', KEYS[2], other)
    redis.call('DEL', key)
    redis.call('ZADD', KEYS[3], now, other)
    gone[#gone + 1] = other
  else
    live = live + 1
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[6])
return gone
