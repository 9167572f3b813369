-- Counts units for a replica in advance: it gives them to operations without asking here, for a short time. window.lua stands
-- before it.
--
-- KEYS  as for charge.lua. The last one is a hash: of each lease by its id "<until when, in µs> <units of each counter> …", and
--       the field 'recalled' once an operation was refused while units were leased
-- ARGV  1 to 3: see window.lua; 4: the lease's id, 5: how long it may be out, in µs, 6: the least units worth a lease;
--       then for each counter: its maximum, the units wanted
--
-- Of what is left of a counter an eighth is leased at most: so a limit that is nearly spent is charged by each operation alone.
-- Answers like charge.lua (1: leased, 0: refused), with the units of each counter after the counters.
local counters, leases = #KEYS - 1, KEYS[#KEYS]
local record = redis.call('HGET', leases, ARGV[4])
local grants = {}
if redis.call('HEXISTS', leases, 'recalled') == 1 then
  answer[1] = 0
end
for i = 1, counters do
  local max, want = tonumber(ARGV[2 * i + 5]), tonumber(ARGV[2 * i + 6])
  local count = 0 + (redis.call('GET', KEYS[i]) or 0)
  grants[i] = math.min(want, math.floor((max - count) / 8))
  if want == 0 then
    grants[i] = 0
  elseif grants[i] < tonumber(ARGV[6]) then
    answer[1] = 0
  end
  answer[3 + i], answer[3 + counters + i] = string.format('%.0f', count), string.format('%.0f', grants[i])
end
if answer[1] == 0 then
  return table.concat(answer, ' ')
end
local held = {}
for units in string.gmatch(record or '', '%d+') do
  held[#held + 1] = tonumber(units)
end
held[1] = now + tonumber(ARGV[5])
for i = 1, counters do
  if grants[i] > 0 then
    local count = redis.call('INCRBY', KEYS[i], grants[i])
    answer[3 + i] = string.format('%.0f', count)
    if count == grants[i] then
      redis.call('PEXPIREAT', KEYS[i], (start + window) * 1000)
    end
  end
  held[1 + i] = string.format('%.0f', (held[1 + i] or 0) + grants[i])
end
held[1] = string.format('%.0f', held[1])
redis.call('HSET', leases, ARGV[4], table.concat(held, ' '))
redis.call('PEXPIREAT', leases, (start + window) * 1000)
return table.concat(answer, ' ')
