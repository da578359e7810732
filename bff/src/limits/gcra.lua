-- Takes cells out of a bucket: the generic cell rate algorithm (ITU-T I.371).
-- The bucket is one number, the theoretical arrival time: when it will be full
-- again. Each cell puts it off by an interval, and it may lie ahead of now by
-- as many intervals as the burst has cells.
-- KEYS: bucket    ARGV: now, interval (both in microseconds), burst, wanted
-- Returns how many cells were granted, and the theoretical arrival time.
local now, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])
local tat = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)

local available = math.floor((now + burst * interval - tat) / interval)
if available < 1 then
  return {0, tat}
end
-- Half the burst stays for the other replicas; out of that half cells are
-- taken one by one.
local granted = math.max(1, math.min(wanted, available - math.ceil(burst / 2)))
tat = tat + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return {granted, tat}
