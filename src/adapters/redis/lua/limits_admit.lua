-- Checks every entry, then counts every entry or none.
-- KEYS epoch, index of reservations, record of this reservation, then per entry: a window's ring,
--   a budget's two periods, a cap's leases.
-- arguments: version, dry run, lifetime. ARGV[3] entries, each: kind, limit, and of a window demand,
--   charge, width of a bucket; of a budget demand, charge, instant of the boundary, end of the later
--   period. ARGV[4] what the sweeper needs to know of this reservation.
-- Reply: status (0 rejected, 1 admitted, 2 id used before), index of the first rejecting entry or
--   -1, wait, epoch (as it is kept), now; per entry used, limit, reset, reserved; then the indices
--   of all exceeded entries.
local REBUILD_RETRY_MS, IN_FLIGHT_RETRY_MS, NEVER = 5000, 2000, -1
local FIRST_KEY, FIRST_READING = 4, 6
local dry_run, lifetime = arguments[2] == 1, arguments[3]
local entries = cmsgpack.unpack(ARGV[3])
local now = clock()
local epoch = epoch_kept(KEYS[1])
local offending, longest = -1, 0
local reply, exceeded, seen = { 0, 0, 0, epoch, now }, {}, {}
local i, k, r, e = 1, FIRST_KEY, FIRST_READING, 0

while entries[i] do
  local kind, limit, shadow = entries[i], entries[i + 1], false
  if kind > SHADOW then
    kind, shadow = kind - SHADOW, true
  end
  local used, reset, held, wait = 0, 0, 0, 0
  if kind == WINDOW then
    local demand, width = entries[i + 2], entries[i + 4]
    local head, newest, total, at, stale = ring_seen(KEYS[k], width, floor(now / width))
    seen[e] = { head, newest, total, at, stale }
    used = total
    if total > 0 then
      reset = (head + SLOTS) * width - now
    end
    if demand > limit then
      wait = NEVER
    elseif total > limit - demand then -- total + demand might be more than a double holds
      wait = ring_wait(KEYS[k], width, now, total - (limit - demand), head, newest, at)
    end
    i, k = i + 5, k + 1
  elseif kind == LEASE then
    used = call('ZCOUNT', KEYS[k], '(' .. int(now), '+inf')
    if limit < 1 then
      wait = NEVER
    elseif used >= limit then
      wait = IN_FLIGHT_RETRY_MS
    end
    i, k = i + 2, k + 1
  else
    local demand, key, ends = entries[i + 2], KEYS[k], entries[i + 4]
    if now >= ends then
      key, ends = KEYS[k + 1], entries[i + 5]
    end
    if ends + KEEP_MS > now then
      local spent, reserved, alerted, base, of = budget_read(key)
      seen[e] = { key, ends, spent, reserved, alerted, base, of }
      used, held = (spent or 0) + reserved, reserved
    end
    reset = max(1, ends - now)
    if demand > limit then
      wait = NEVER
    elseif used > limit - demand then
      wait = reset
      if used - held <= limit - demand then -- only calls in flight are in the way
        wait = min(IN_FLIGHT_RETRY_MS, reset)
      end
    elseif kind == STRICT_BUDGET and epoch <= 0 then
      wait = REBUILD_RETRY_MS
    end
    i, k = i + 6, k + 2
  end
  if wait ~= 0 then
    exceeded[#exceeded + 1] = e
    if not shadow then
      if offending < 0 then
        offending = e
      end
      longest = (wait == NEVER or longest == NEVER) and NEVER or max(longest, wait)
    end
  end
  reply[r], reply[r + 1], reply[r + 2], reply[r + 3] = used, limit, reset, held
  r, e = r + 4, e + 1
end

for _, index in ipairs(exceeded) do
  reply[r] = index
  r = r + 1
end
reply[2], reply[3] = offending, longest
if dry_run or offending >= 0 then
  return reply
end

local id, expires = ARGV[2], now + lifetime
local record = int(now) .. ':' .. ARGV[4]
if not call('SET', KEYS[3], record, 'NX', 'PX', int(lifetime + KEEP_MS)) then
  reply[1] = 2
  return reply
end
call('ZADD', KEYS[2], int(expires), id)
reply[4] = epoch_begun(KEYS[1], epoch, now)
i, k, r, e = 1, FIRST_KEY, FIRST_READING, 0
while entries[i] do
  local kind, charge, state = entries[i] % SHADOW, entries[i + 3], seen[e]
  if kind == WINDOW then
    if charge > 0 then
      local width = entries[i + 4]
      ring_put(KEYS[k], width, floor(now / width), charge, unpack(state, 1, 5))
      reply[r] = reply[r] + min(charge, MAX_COUNT - reply[r])
      reply[r + 2] = (state[4] + SLOTS) * width - now
    end
    i, k = i + 5, k + 1
  elseif kind == LEASE then
    take_lease(KEYS[k], id, now, expires)
    reply[r] = reply[r] + 1
    i, k = i + 2, k + 1
  else
    if charge > 0 and state then
      local key, ends, spent, reserved, alerted, base, of = unpack(state, 1, 7)
      local added = min(charge, MAX_COUNT - reply[r])
      budget_write(key, spent or 0, reserved + added, alerted, base, of)
      if not spent then
        call('PEXPIRE', key, int(ends + KEEP_MS - now))
      end
      reply[r], reply[r + 3] = reply[r] + added, reply[r + 3] + added
    end
    i, k = i + 6, k + 2
  end
  r, e = r + 4, e + 1
end
reply[1] = 1
return reply
