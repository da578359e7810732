-- Rotates a refresh token: checks it, stores its successor, slides the idle
-- time. All in one step, so that two requests never make two chains.
-- KEYS: session, revoked, mark of a theft that nobody was told of
-- ARGV: now, id, generation, secret hash, successor hash, idle, grace, keep revoked,
--       prefix of the keys of users' sessions
-- Returns {status, fields…}; status is one of unknown, rotated, repeated, stolen.
local now, generation = tonumber(ARGV[1]), tonumber(ARGV[3])
local grace = tonumber(ARGV[7])
local s = redis.call('HMGET', KEYS[1],
  'user', 'role', 'mode', 'created', 'idle', 'absolute', 'secret', 'generation')
local current = tonumber(s[8])
if not s[1] then
  local robbed = redis.call('GET', KEYS[3])
  return robbed and {'stolen', robbed, '', '', ''} or {'unknown'}
end
if s[3] ~= 'token' or now >= tonumber(s[5]) or now >= tonumber(s[6]) or generation > current then
  return {'unknown'}
end

local status
if generation == current then
  if s[7] ~= ARGV[4] then
    return {'unknown'}
  end
  status = 'rotated'
  local idle = math.min(now + ARGV[6], tonumber(s[6]))
  redis.call('HSET', KEYS[1], 'secret', ARGV[5], 'generation', current + 1,
    'seen', now, 'idle', idle, 'displaced:' .. generation, now)
  s[5] = idle
  -- Only generations within the grace time are remembered, sixteen at most.
  for old = generation - 1, math.max(0, generation - 64), -1 do
    local at = tonumber(redis.call('HGET', KEYS[1], 'displaced:' .. old))
    if not at then
      break
    end
    if now - at > grace or generation - old >= 16 then
      redis.call('HDEL', KEYS[1], 'displaced:' .. old)
    end
  end
else
  local at = tonumber(redis.call('HGET', KEYS[1], 'displaced:' .. generation))
  if at and now - at <= grace then
    status = 'repeated'
  else
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', ARGV[9] .. s[1], ARGV[2])
    redis.call('ZADD', KEYS[2], now, ARGV[2])
    redis.call('SET', KEYS[3], s[1], 'PX', s[6] - now)
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[8])
    status = 'stolen'
  end
end
return {status, s[1], s[2], tostring(s[5]), s[6]}
