-- Adds to a number. KEYS: the value. ARGV: the number, and whether it is an integer. Returns the sum as text, since Redis
-- would return a number of Lua, which holds 53 bits.
local value = redis.call('GET', KEYS[1])
if ARGV[2] == 'integer' and (not value or string.match(value, '^-?%d+$')) then
    local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
    if type(sum) == 'table' then
        return redis.error_reply('OVERFLOW the sum is too large')
    end
    return redis.call('GET', KEYS[1])
end
local number = 0
if value then
    number = string.match(value, '^-?%d') and tonumber(value)
    if not number then
        return redis.error_reply('NOTANUMBER the value is none')
    end
end
local sum = number + tonumber(ARGV[1])
if sum ~= sum or sum == math.huge or sum == -math.huge then
    return redis.error_reply('OVERFLOW the sum is too large')
end
local text = string.format('%.17g', sum)
if not string.find(text, '[.e]') then
    text = text .. '.0'
end
redis.call('SET', KEYS[1], text, 'KEEPTTL')
return text
