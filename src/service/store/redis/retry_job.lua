-- Gives back a job that has failed, if the owner still has it. KEYS: the job, the jobs by when they may be claimed.
-- ARGV: id, owner, delay, error.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
    return 0
end
local time = redis.call('TIME')
local due = string.format('%.6f', time[1] + time[2] / 1000000 + ARGV[3])
redis.call('HDEL', KEYS[1], 'owner')
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'error', ARGV[4], 'due', due)
redis.call('ZADD', KEYS[2], due, ARGV[1])
return 1
