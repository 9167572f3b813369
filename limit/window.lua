-- The head of charge.lua and lease.lua, which both are for one window, and for a caller who waits.
--
-- ARGV  1: the length of windows, 2: the beginning of this one, both in s; 3: the time in µs after which nobody waits for
--       the answer
--
-- Answers in one text, which costs the caller a third of what a list of numbers does: first what came of it (-1: by this clock it is
-- another window, or too late, and nothing was changed), then the time in s and µs.
local time = redis.call('TIME')
local seconds, window, start = tonumber(time[1]), tonumber(ARGV[1]), tonumber(ARGV[2])
local now = seconds * 1000000 + tonumber(time[2])
local answer = {1, time[1], time[2]}
if seconds - seconds % window ~= start or now > tonumber(ARGV[3]) then
  answer[1] = -1
  return table.concat(answer, ' ')
end
