-- Returns the rank of a name. KEYS: the board, the members by name. ARGV: the name.
local member = redis.call('HGET', KEYS[2], ARGV[1])
local score = member and redis.call('ZSCORE', KEYS[1], member)
if not score then
    return false
end
return 1 + redis.call('ZCOUNT', KEYS[1], '(' .. score, '+inf')
