-- Makes a job due. KEYS: the job, the jobs by when they may be claimed. ARGV: id.
if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if tonumber(redis.call('HGET', KEYS[1], 'due')) > now then
    redis.call('HSET', KEYS[1], 'due', string.format('%.6f', now))
end
-- A job that somebody runs may be claimed when the lease has passed, as before.
if not redis.call('HGET', KEYS[1], 'owner') then
    redis.call('ZADD', KEYS[2], redis.call('HGET', KEYS[1], 'due'), ARGV[1])
end
return 1
