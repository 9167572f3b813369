-- Does what state.go does, on hashes: the calls and gates of one provider. The suite in quotatest compares the two.
--
-- KEYS  1: the provider's gate; then for each key of the pool its gate, and its window for each rate
--       A gate has the fields why, since, until, turn, failures; a window a field for each bucket, and "kept".
-- ARGV  1: take, report or look; 2: the time of a probe; 3: 1 if there is a seed; 4: how many keys; 5: how many rates;
--       6: failures that shut; 7: probes that a refused key rests
--       take:   8: the lane's headstart
--       report: 8: the key (from 1); 9: its turn; 10: the gate's turn; 11: how the call ended; 12: why; 13: the wait
--       then for each rate: its length, its bucket, its limit, what the lane may fill it to
--       then how many entries follow, and for each: seed or debt, the key, the rate (both from 1), the bucket, the calls
--
-- All times are in ms. Answers {0} if a window is not there and no seed was given. Otherwise {1, the time, the key (from
-- 1; 0: none), the gate's turn, the key's turn, whether both were open and well (1, 0), why no call may be made, how long
-- to wait, the change}, and then the status: of the provider's gate and of each key's why, since, until, failures; after
-- each key's for each rate the calls and when all will have slid out.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local op, probe, seeded = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local keys, rates = tonumber(ARGV[4]), tonumber(ARGV[5])
local max_failures, recheck = tonumber(ARGV[6]), tonumber(ARGV[7])
local arg = ({take = 9, report = 14, look = 8})[op]
local gate_lives, window_lives = 7 * 86400000, 30 * 86400000

local function text(n) return string.format('%.0f', n) end

local rate = {}
for r = 1, rates do
  rate[r] = {per = tonumber(ARGV[arg]), bucket = tonumber(ARGV[arg + 1]), max = tonumber(ARGV[arg + 2]), lane = tonumber(ARGV[arg + 3])}
  arg = arg + 4
end

local function load_gate(name)
  local v = redis.call('HMGET', name, 'why', 'since', 'until', 'turn', 'failures')
  return {name = name, why = v[1] or '', since = tonumber(v[2] or 0), till = tonumber(v[3] or 0), turn = tonumber(v[4] or 0), failures = tonumber(v[5] or 0)}
end

local function save_gate(g)
  redis.call('HSET', g.name, 'why', g.why, 'since', text(g.since), 'until', text(g.till), 'turn', text(g.turn), 'failures', text(g.failures))
  redis.call('PEXPIRE', g.name, gate_lives)
end

local function window_name(k, r) return KEYS[2 + (k - 1) * (1 + rates) + r] end

-- Nothing is changed before all windows are known to be there.
for k = 1, keys do
  for r = 1, rates do
    if not seeded and redis.call('HEXISTS', window_name(k, r), 'kept') == 0 then
      return {0}
    end
  end
end
local fresh = {}
for k = 1, keys do
  for r = 1, rates do
    if redis.call('HEXISTS', window_name(k, r), 'kept') == 0 then
      redis.call('DEL', window_name(k, r))
      redis.call('HSET', window_name(k, r), 'kept', 1)
      redis.call('PEXPIRE', window_name(k, r), rate[r].per + window_lives)
      fresh[window_name(k, r)] = true
    end
  end
end
for _ = 1, tonumber(ARGV[arg]) do
  local name = window_name(tonumber(ARGV[arg + 2]), tonumber(ARGV[arg + 3]))
  if ARGV[arg + 1] == 'debt' or fresh[name] then
    redis.call('HINCRBY', name, ARGV[arg + 4], ARGV[arg + 5])
  end
  arg = arg + 5
end

local gate = load_gate(KEYS[1])
local accounts = {}
for k = 1, keys do
  local a = {gate = load_gate(KEYS[2 + (k - 1) * (1 + rates)]), windows = {}}
  for r = 1, rates do
    local first = math.floor((now - rate[r].per) / rate[r].bucket)
    local flat = redis.call('HGETALL', window_name(k, r))
    local w = {used = 0, calls = {}, order = {}}
    for i = 1, #flat, 2 do
      local b = tonumber(flat[i])
      if b and b < first then
        redis.call('HDEL', window_name(k, r), flat[i])
      elseif b then
        w.calls[b] = tonumber(flat[i + 1])
        w.used = w.used + w.calls[b]
        w.order[#w.order + 1] = b
      end
    end
    table.sort(w.order)
    a.windows[r] = w
  end
  accounts[k] = a
end

-- below is when fewer than n calls are left in the window, if none are added.
local function below(w, n, r)
  local used, at = w.used, 0
  for _, b in ipairs(w.order) do
    if used < n then break end
    used = used - w.calls[b]
    at = (b + 1) * rate[r].bucket + rate[r].per
  end
  return at
end

local function room(a)
  local left, at = 1, now
  for r = 1, rates do
    left = math.min(left, (rate[r].max - a.windows[r].used) / rate[r].max)
    at = math.max(at, below(a.windows[r], rate[r].lane, r))
  end
  return left, at
end

local limited = 'upstream_rate_limited'
local function refused(g) return g.why ~= '' and g.why ~= limited end
local function outage(why) return why == 'upstream_unavailable' or why == 'upstream_timeout' or why == 'upstream_nonsense' end

local function shut(g, why, wait)
  local same = g.why ~= '' and (g.why == why or outage(g.why) and outage(why))
  if not same then g.since = now end
  g.why, g.till, g.turn = why, now + wait, g.turn + 1
  save_gate(g)
  return not same
end

local function count(k)
  for r = 1, rates do
    local w, b = accounts[k].windows[r], math.floor(now / rate[r].bucket)
    redis.call('HINCRBY', window_name(k, r), text(b), 1)
    redis.call('PEXPIRE', window_name(k, r), rate[r].per + window_lives)
    if not w.calls[b] then
      w.calls[b] = 0
      w.order[#w.order + 1] = b
      table.sort(w.order)
    end
    w.calls[b], w.used = w.calls[b] + 1, w.used + 1
  end
end

local function take(headstart)
  if gate.why ~= '' and now < gate.till then
    return 0, gate.why, gate.till - now
  end
  local best, most, wait, why = 0, -math.huge, math.huge, ''
  local function consider(k, left, at, reason)
    if at > now and at - now < wait then
      wait, why = at - now, reason
    elseif at <= now and left > most then
      best, most = k, left
    end
  end
  local shut_keys = 0
  for k, a in ipairs(accounts) do
    local left, at = room(a)
    if refused(a.gate) then
      shut_keys = shut_keys + 1
      if at <= now and now >= a.gate.till + (recheck - 1) * probe then
        best, most = k, math.huge
      end
    elseif a.gate.why == limited and a.gate.till + headstart > at then
      consider(k, left, a.gate.till + headstart, limited)
    else
      consider(k, left, at, 'quota_exhausted')
    end
  end
  if best == 0 and shut_keys == keys then
    for k, a in ipairs(accounts) do
      local left, at = room(a)
      if a.gate.till >= at then
        consider(k, left, a.gate.till, a.gate.why)
      else
        consider(k, left, at, 'quota_exhausted')
      end
    end
  end
  if best == 0 then
    return 0, why, wait
  end
  count(best)
  local key = accounts[best].gate
  if gate.why ~= '' then
    gate.turn, gate.till = gate.turn + 1, now + probe
    save_gate(gate)
  end
  if refused(key) then
    key.turn, key.till = key.turn + 1, now + probe
    save_gate(key)
  end
  return best, '', 0
end

-- The changes, as in quota.go.
local unchanged, opened, paused, provider_shut, key_refused = 0, 1, 2, 3, 4

local function report(key, key_turn, turn, ended, why, wait)
  local current, current_key, change = turn == gate.turn, key_turn == key.turn, unchanged
  if ended == 'limited' then
    if wait == 0 then wait = probe end
    local resting = key.why == limited and now < key.till
    if not resting or now + wait > key.till then
      if not resting then
        key.since, change = now, paused
      end
      key.why, key.till, key.turn = why, now + wait, key.turn + 1
      save_gate(key)
    end
  elseif ended == 'keyRefused' then
    if current_key and shut(key, why, math.max(probe, wait)) then
      change = key_refused
    end
  elseif ended == 'blocked' then
    return current and shut(gate, why, math.max(probe, wait)) and provider_shut or unchanged
  elseif ended == 'failed' then
    if not current then
      return unchanged
    end
    gate.failures = gate.failures + 1
    if gate.why ~= '' or gate.failures >= max_failures then
      return shut(gate, why, math.max(probe, wait)) and provider_shut or unchanged
    end
    save_gate(gate)
    return unchanged
  elseif current_key and refused(key) then
    key.why, change = '', opened
    save_gate(key)
  end
  if current and (gate.failures > 0 or gate.why ~= '') then
    if gate.why ~= '' and change == unchanged then
      change = opened
    end
    gate.failures, gate.why = 0, ''
    save_gate(gate)
  end
  return change
end

local granted, why, wait, change = 0, '', 0, unchanged
if op == 'take' then
  granted, why, wait = take(tonumber(ARGV[8]))
elseif op == 'report' then
  change = report(accounts[tonumber(ARGV[8])].gate, tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], ARGV[12], tonumber(ARGV[13]))
end

local answer = {1, now, granted, gate.turn, 0, 0, why, wait, change}
if granted > 0 then
  local key = accounts[granted].gate
  answer[5] = key.turn
  if gate.why == '' and gate.failures == 0 and not refused(key) then answer[6] = 1 end
end
local function tell(g)
  for _, v in ipairs({g.why, g.since, g.till, g.failures}) do answer[#answer + 1] = v end
end
tell(gate)
for _, a in ipairs(accounts) do
  tell(a.gate)
  for r = 1, rates do
    answer[#answer + 1] = a.windows[r].used
    answer[#answer + 1] = math.max(now, below(a.windows[r], 1, r))
  end
end
return answer
