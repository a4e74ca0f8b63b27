-- Keeps a score if it is the best of its name. KEYS: the board, the members by name, the number of the last entry.
-- ARGV: the name, the score, `i` for an integer or `f` for a float.
--
-- Among equal scores, a sorted set orders members by their text, and the highest ones are listed last text first. So a
-- member begins with a number that falls from entry to entry.
local member = redis.call('HGET', KEYS[2], ARGV[1])
if member then
    local score = redis.call('ZSCORE', KEYS[1], member)
    if score and tonumber(score) >= tonumber(ARGV[2]) then
        return redis.status_reply('OK')
    end
    redis.call('ZREM', KEYS[1], member)
end
local entry = redis.call('INCR', KEYS[3])
member = string.format('%016.0f', 9007199254740991 - entry) .. ARGV[3] .. ARGV[1]
redis.call('ZADD', KEYS[1], ARGV[2], member)
redis.call('HSET', KEYS[2], ARGV[1], member)
return redis.status_reply('OK')
