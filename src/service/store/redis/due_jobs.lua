-- Lists the ids of jobs that may be claimed. KEYS: the jobs by when they may be. ARGV: how many to skip and to list.
local time = redis.call('TIME')
local now = string.format('%.6f', time[1] + time[2] / 1000000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', ARGV[1], ARGV[2])
