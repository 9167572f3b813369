-- Charges one operation, whole or not at all. window.lua stands before it.
--
-- KEYS  the counter of each endpoint in the window, and the window's leases (see lease.lua)
-- ARGV  1 to 3: see window.lua; then for each counter: its maximum, the units
--
-- Answers what came of it (1: charged, 0: refused, 2: ask again soon, because replicas hold units that may come back; the last
-- two have charged nothing), the time, and each counter.
local leases = KEYS[#KEYS]
for i = 1, #KEYS - 1 do
  local max, units = tonumber(ARGV[2 * i + 2]), tonumber(ARGV[2 * i + 3])
  -- A value that is no number is an error here, before anything has been changed.
  local count = 0 + (redis.call('GET', KEYS[i]) or 0)
  answer[i + 3] = string.format('%.0f', count)
  if units > 0 and count + units > max then
    answer[1] = 0
  end
end
if answer[1] == 0 then
  for _, lease in ipairs(redis.call('HVALS', leases)) do
    if tonumber(string.match(lease, '^%d+')) > now then
      answer[1] = 2
    end
  end
  if answer[1] == 2 then -- and from now on nothing is leased in this window: so the wait has an end
    redis.call('HSET', leases, 'recalled', '0')
  end
  return table.concat(answer, ' ')
end
for i = 1, #KEYS - 1 do
  local units = tonumber(ARGV[2 * i + 3])
  if units > 0 then
    local count = redis.call('INCRBY', KEYS[i], units)
    answer[i + 3] = string.format('%.0f', count)
    if count == units then
      redis.call('PEXPIREAT', KEYS[i], (start + window) * 1000)
    end
  end
end
return table.concat(answer, ' ')
