-- Replaces a reservation by what was used, at most once.
-- KEYS as in admit. arguments: version, sweeping, the reservation's epoch, admitted at, occurred at,
--   then entries: kind, 0, limit, charged at admission, due and x, y as in admit.
-- Reply: applied (0 or 1), admitted at, then per crossing: index of the entry, percent, used.
local FIRST, FIRST_KEY = 6, 4
local sweeping, given_epoch = arguments[2] == 1, arguments[3]
local admitted, occurred = arguments[4], arguments[5]
local id = ARGV[2]
local now = clock()
local epoch = tonumber(call('GET', KEYS[1]) or 0)

if sweeping then -- it may have been extended since it was found
  local expires = call('ZSCORE', KEYS[2], id)
  if not expires or tonumber(expires) > now then
    return { 0 }
  end
end
local record = call('GET', KEYS[3])
call('ZREM', KEYS[2], id)
local doubtful = given_epoch == 0 or given_epoch ~= epoch
if record == CLOSED or (not record and (sweeping or not doubtful)) then
  return { 0 }
end
if doubtful then
  call('SET', KEYS[3], CLOSED, 'PX', int(KEEP_MS))
else
  call('DEL', KEYS[3])
end
if record then
  admitted = tonumber(string.match(record, '^%d+'))
end

local reply = { 1, admitted }
local k, e = FIRST_KEY, 0

local function refund(key, bucket, amount)
  local held = call('HMGET', key, 'h', 's', bucket % SLOTS)
  local head = tonumber(held[1] or nil)
  if not head or bucket > head or bucket < head - BUCKETS or not held[3] then
    return
  end
  local taken = min(amount, tonumber(held[3]))
  call('HSET', key, 's', int(tonumber(held[2]) - taken), bucket % SLOTS, int(tonumber(held[3]) - taken))
end

local function backdate(key, width, present, bucket, amount)
  bucket = min(bucket, present)
  if amount == 0 or bucket < present - BUCKETS then
    return
  end
  local held = call('HMGET', key, 'h', 's', bucket % SLOTS)
  local head = tonumber(held[1] or nil)
  if not head or bucket > head then
    ring_add(key, width, bucket, amount)
  elseif bucket < head - BUCKETS then
    ring_add(key, width, present, amount)
  else
    local total = tonumber(held[2])
    local added = min(amount, MAX_COUNT - total)
    call('HSET', key, 's', int(total + added), bucket % SLOTS, int(tonumber(held[3] or 0) + added))
  end
end

for i = FIRST, #arguments, STRIDE do
  local kind, limit, due = arguments[i], arguments[i + 2], arguments[i + 4]
  local charged = record and arguments[i + 3] or 0
  local x = arguments[i + 5]
  if kind == WINDOW then
    if not record then
      backdate(KEYS[k], x, floor(now / x), floor(occurred / x), due)
    elseif due < charged then
      refund(KEYS[k], floor(admitted / x), charged - due)
    else
      ring_add(KEYS[k], x, floor(now / x), due - charged)
    end
    k = k + 1
  elseif kind == LEASE then
    call('ZREM', KEYS[k], id)
    k = k + 1
  else
    local key, ends = KEYS[k], x
    if admitted >= x then
      key, ends = KEYS[k + 1], arguments[i + 6]
    end
    if (charged > 0 or due > 0) and ends + KEEP_MS > now then
      local held = call('HMGET', key, 'u', 'r', 'm')
      local reserved = max(0, tonumber(held[2] or 0) - charged)
      local used = tonumber(held[1] or 0)
      used = used + min(due, MAX_COUNT - used - reserved)
      local alerted = tonumber(held[3] or 0)
      if epoch ~= 0 then
        alerted = cross(reply, e, used, limit, alerted)
      end
      call('HSET', key, 'u', int(used), 'r', int(reserved), 'm', alerted)
      if not held[1] and not held[2] then
        call('PEXPIRE', key, int(ends + KEEP_MS - now))
      end
    end
    k = k + 2
  end
  e = e + 1
end
return reply
