-- Claims a job, if it may be. KEYS: the job, the jobs by when they may be claimed. ARGV: id, owner, lease.
-- Returns the fields of the job.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local at = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not at or tonumber(at) > now then
    return {}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('ZREM', KEYS[2], ARGV[1])
    return {}
end
local before = redis.call('HGET', KEYS[1], 'owner')
if before then
    redis.call('HINCRBY', KEYS[1], 'attempts', 1)
    redis.call('HSET', KEYS[1], 'error', 'it did not end: ' .. before .. ' was gone')
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.6f', now + ARGV[3]), ARGV[1])
return redis.call('HGETALL', KEYS[1])
