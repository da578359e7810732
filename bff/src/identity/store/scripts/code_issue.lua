-- Stores a new code for an identifier, unless it was sent too many already.
-- KEYS: code, sends    ARGV: now, mac, lifetime, attempts, resend_after, interval, burst
-- Returns {1 if it was stored, for how many milliseconds no code may be sent now}.
local now = tonumber(ARGV[1])
local resend_after, interval, burst = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local sends = redis.call('HMGET', KEYS[2], 'last', 'tat')
local last, tat = tonumber(sends[1]), tonumber(sends[2]) or now

if last and now < last + resend_after then
  return {0, last + resend_after - now}
end
-- GCRA: the theoretical arrival time runs ahead of now by at most the burst.
local base = math.max(tat, now)
local wait = base - (burst - 1) * interval - now
if wait > 0 then
  return {0, wait}
end
redis.call('HSET', KEYS[2], 'last', now, 'tat', base + interval)
redis.call('PEXPIRE', KEYS[2], base + interval - now + resend_after)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', now + ARGV[3], 'attempts', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1, math.max(resend_after, base + interval - (burst - 1) * interval - now)}
