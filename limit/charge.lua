-- Charges one operation, whole or not at all.
--
-- KEYS  the counter of each endpoint in the window that begins at ARGV[2], and the window's leases (see lease.lua)
-- ARGV  1: the length of windows, 2: the beginning of this one, both in s; 3: the time in µs after which nobody waits for
--       the answer; then for each counter: its maximum, the units
--
-- Answers in one text, which costs the caller a third of what a list of numbers does: what came of it (1: charged, 0: refused, 2: ask
-- again soon, because replicas hold units that may come back; -1: by this clock it is another window, or too late; all but the
-- first have charged nothing), the time in s and µs, and each counter.
local time = redis.call('TIME')
local seconds, window, start = tonumber(time[1]), tonumber(ARGV[1]), tonumber(ARGV[2])
local now = seconds * 1000000 + tonumber(time[2])
local answer = {1, time[1], time[2]}
if seconds - seconds % window ~= start or now > tonumber(ARGV[3]) then
  answer[1] = -1
  return table.concat(answer, ' ')
end
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
