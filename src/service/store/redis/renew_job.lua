-- Prolongs a lease, if the owner still has it. KEYS: the job, the jobs by when they may be claimed. ARGV: id, owner, lease.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[2] then
    return 0
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[2], string.format('%.6f', time[1] + time[2] / 1000000 + ARGV[3]), ARGV[1])
return 1
