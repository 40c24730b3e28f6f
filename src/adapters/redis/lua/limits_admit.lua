-- Checks every entry, then counts every entry or none.
-- KEYS epoch, index of reservations, record of this reservation, then per entry: a window's ring,
--   a budget's two periods, a cap's leases.
-- arguments: version, dry run, lifetime, then entries: kind, shadow, limit, demand, charge and
--   of a window: width of a bucket, 0; of a budget: instant of the boundary, end of the later period.
-- ARGV[3] what the sweeper needs to know of this reservation.
-- Reply: status (0 rejected, 1 admitted, 2 id used before), index of the first rejecting entry or
--   -1, wait, epoch, now, then per entry: used, limit, reset, exceeded.
local FIRST, FIRST_KEY = 4, 4
local dry_run, lifetime = arguments[2] == 1, arguments[3]
local now = clock()
local epoch = tonumber(call('GET', KEYS[1]) or 0)
local offending, longest = -1, 0
local reply = { 0, 0, 0, epoch, now }
local seen = {}
local k, r, e = FIRST_KEY, 6, 0

for i = FIRST, #arguments, STRIDE do
  local kind, limit, demand = arguments[i], arguments[i + 2], arguments[i + 3]
  local x = arguments[i + 5]
  local used, reset, wait = 0, 0, 0
  if kind == WINDOW then
    local head, at, total, here, stale = ring_seen(KEYS[k], x, floor(now / x))
    seen[e] = { head, at, total, here, stale }
    used = total
    if total > 0 then
      reset = (head + SLOTS) * x - now
    end
    if demand > limit then
      wait = NEVER
    elseif total > limit - demand then -- total + demand might be more than a double holds
      wait = ring_wait(KEYS[k], x, now, total - (limit - demand), head, at)
    end
    k = k + 1
  elseif kind == LEASE then
    used = call('ZCOUNT', KEYS[k], '(' .. int(now), '+inf')
    if limit < 1 then
      wait = NEVER
    elseif used >= limit then
      local next_free = call('ZRANGEBYSCORE', KEYS[k], '(' .. int(now), '+inf', 'WITHSCORES',
        'LIMIT', used - limit, 1)
      wait = tonumber(next_free[2]) - now
    end
    k = k + 1
  else
    local key, ends = KEYS[k], x
    if now >= x then
      key, ends = KEYS[k + 1], arguments[i + 6]
    end
    local kept = ends + KEEP_MS > now
    local held = kept and call('HMGET', key, 'u', 'r') or {}
    used = tonumber(held[1] or 0) + tonumber(held[2] or 0)
    seen[e] = { key, ends, tonumber(held[2] or 0), not held[1] and not held[2], kept }
    reset = max(1, ends - now)
    if demand > limit then
      wait = NEVER
    elseif used > limit - demand then
      wait = reset
    elseif kind == STRICT_BUDGET and epoch == 0 then
      wait = REBUILD_RETRY_MS
    end
    k = k + 2
  end
  if wait ~= 0 and arguments[i + 1] == 0 then
    if offending < 0 then
      offending = e
    end
    if wait == NEVER or longest == NEVER then
      longest = NEVER
    else
      longest = max(longest, wait)
    end
  end
  reply[r], reply[r + 1], reply[r + 2], reply[r + 3] = used, limit, reset, wait ~= 0 and 1 or 0
  r, e = r + 4, e + 1
end

reply[2], reply[3] = offending, longest
if dry_run or offending >= 0 then
  return reply
end

local id, expires = ARGV[2], now + lifetime
local record = int(now) .. ':' .. ARGV[3]
if not call('SET', KEYS[3], record, 'NX', 'PX', int(lifetime + KEEP_MS)) then
  reply[1] = 2
  return reply
end
call('ZADD', KEYS[2], int(expires), id)
k, r, e = FIRST_KEY, 6, 0
for i = FIRST, #arguments, STRIDE do
  local kind, charge, x = arguments[i], arguments[i + 4], arguments[i + 5]
  local state = seen[e]
  if kind == WINDOW then
    if charge > 0 then
      ring_put(KEYS[k], x, floor(now / x), charge, unpack(state, 1, 5))
      reply[r] = reply[r] + min(charge, MAX_COUNT - reply[r])
      reply[r + 2] = (state[2] + SLOTS) * x - now
    end
    k = k + 1
  elseif kind == LEASE then
    take_lease(KEYS[k], id, now, expires)
    reply[r] = reply[r] + 1
    k = k + 1
  else
    if charge > 0 and state[5] then
      local added = min(charge, MAX_COUNT - reply[r])
      call('HSET', state[1], 'r', int(state[3] + added))
      if state[4] then
        call('PEXPIRE', state[1], int(state[2] + KEEP_MS - now))
      end
      reply[r] = reply[r] + added
    end
    k = k + 2
  end
  r, e = r + 4, e + 1
end
reply[1] = 1
return reply
