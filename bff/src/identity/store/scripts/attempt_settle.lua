-- Decides a check of a password. While a wait lasts, even the right one is
-- refused; a wrong one is counted, and from the limit on each doubles the wait.
-- In one step and after the check: of many at once no more count than one
-- after the other.
-- KEYS: attempts
-- ARGV: now, '1' if it was right, failures before a wait, first wait, longest wait
-- Returns 'blocked', 'accepted' or 'refused'.
local now = tonumber(ARGV[1])
local waits_until = tonumber(redis.call('HGET', KEYS[1], 'until'))
if waits_until and now < waits_until then
  return 'blocked'
end
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[1])
  return 'accepted'
end
local over = redis.call('HINCRBY', KEYS[1], 'failures', 1) - tonumber(ARGV[3])
if over >= 0 then
  local wait = math.min(ARGV[4] * 2 ^ math.min(over, 30), tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], 'until', now + wait)
end
redis.call('PEXPIRE', KEYS[1], 24 * 3600 * 1000)
return 'refused'
