-- Puts a code back that was taken for work that then failed, unless a newer
-- one was issued.
-- KEYS: code    ARGV: now, mac, expires, attempts
if tonumber(ARGV[3]) > tonumber(ARGV[1]) and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', ARGV[3], 'attempts', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3] - ARGV[1])
end
return 0
