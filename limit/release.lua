-- Ends a lease and gives back what was not used of it. A lease that is not there has been ended before, or its window has.
--
-- KEYS  as for charge.lua
-- ARGV  1: the lease's id; then for each counter: the units used of all that was ever leased under the id
--
-- Answers like charge.lua, with 1.
local time = redis.call('TIME')
local answer = {1, time[1], time[2]}
local counters, leases = #KEYS - 1, KEYS[#KEYS]
local record = redis.call('HGET', leases, ARGV[1])
local held = {}
for units in string.gmatch(record or '', '%d+') do
  held[#held + 1] = tonumber(units)
end
redis.call('HDEL', leases, ARGV[1])
for i = 1, counters do
  local count = 0 + (redis.call('GET', KEYS[i]) or 0)
  local unused = (held[1 + i] or 0) - tonumber(ARGV[1 + i])
  if record and unused > 0 and count >= unused then -- else the counter was evicted meanwhile: it would never expire
    count = redis.call('DECRBY', KEYS[i], unused)
  end
  answer[3 + i] = string.format('%.0f', count)
end
return table.concat(answer, ' ')
