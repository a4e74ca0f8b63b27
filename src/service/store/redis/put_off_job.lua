-- Makes a job due later, unless somebody runs it. KEYS: the job, the jobs by when they may be claimed. ARGV: id, delay.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HGET', KEYS[1], 'owner') then
    return 0
end
local time = redis.call('TIME')
local due = string.format('%.6f', time[1] + time[2] / 1000000 + ARGV[2])
redis.call('HSET', KEYS[1], 'due', due)
redis.call('ZADD', KEYS[2], due, ARGV[1])
return 1
