-- Notes that a session's owner proved just now who they are.
-- KEYS: session    ARGV: now
-- Returns whether there is such a session: one that has ended stays gone.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'fresh', ARGV[1])
return 1
