-- Removes a job. KEYS: the job, the jobs by when they may be claimed. ARGV: id.
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
