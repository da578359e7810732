-- Counts a failed sign-in; from the limit on each one doubles the wait.
-- KEYS: attempts    ARGV: now, failures before a wait, first wait, longest wait
local now = tonumber(ARGV[1])
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local over = failures - tonumber(ARGV[2])
if over >= 0 then
  local wait = math.min(ARGV[3] * 2 ^ math.min(over, 30), tonumber(ARGV[4]))
  redis.call('HSET', KEYS[1], 'until', now + wait)
end
redis.call('PEXPIRE', KEYS[1], 24 * 3600 * 1000)
return failures
