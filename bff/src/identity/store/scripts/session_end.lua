-- Ends sessions of one user: those named, or all but one.
-- KEYS: sessions of the user, revoked, era of the user
-- ARGV: now, key prefix, keep revoked, spared id or '', id, …
-- Returns the ids of the sessions that were alive and ended.
local now = tonumber(ARGV[1])
local ids = {}
for i = 5, #ARGV do
  ids[#ids + 1] = ARGV[i]
end
if #ids == 0 then
  ids = redis.call('ZRANGE', KEYS[1], 0, -1)
  -- What is signing in just now with what was good before comes too late. No
  -- sign-in takes an hour.
  redis.call('INCR', KEYS[3])
  redis.call('PEXPIRE', KEYS[3], 3600 * 1000)
end
local ended = {}
for _, id in ipairs(ids) do
  if id ~= ARGV[4] and redis.call('ZREM', KEYS[1], id) == 1 then
    redis.call('DEL', ARGV[2] .. id)
    redis.call('ZADD', KEYS[2], now, id)
    ended[#ended + 1] = id
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
return ended
