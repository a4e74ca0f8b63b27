-- Writes a job down. KEYS: the job, the jobs by when they may be claimed. ARGV: id, kind, subject, content, delay.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local due = string.format('%.6f', now + ARGV[5])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'kind', ARGV[2], 'subject', ARGV[3], 'content', ARGV[4],
    'created', string.format('%.6f', now), 'due', due, 'attempts', 0)
redis.call('ZADD', KEYS[2], due, ARGV[1])
return redis.status_reply('OK')
