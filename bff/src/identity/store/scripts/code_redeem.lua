-- Checks a guess and takes the code when it is right. Every wrong guess costs
-- the code an attempt and the identifier a part of its hourly budget.
-- KEYS: code, failures    ARGV: now, mac, budget, window
-- Returns {expires, attempts} of the code that was taken, or nothing.
local now = tonumber(ARGV[1])
local failures = tonumber(redis.call('GET', KEYS[2])) or 0
if failures >= tonumber(ARGV[3]) then
  return {}
end
local code = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'attempts')
local expires, attempts = tonumber(code[2]), tonumber(code[3])
if expires and now < expires and attempts > 0 and code[1] == ARGV[2] then
  redis.call('DEL', KEYS[1])
  return {expires, attempts}
end
if attempts and attempts > 0 then
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
end
if redis.call('INCR', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return {}
