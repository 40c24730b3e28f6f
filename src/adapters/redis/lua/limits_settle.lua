-- Replaces a reservation by what was used, at most once.
-- KEYS epoch, index of reservations, record of this reservation, mark of a store that is young, then
--   per entry as in admit.
-- arguments: version, sweeping, the reservation's epoch, admitted at, occurred at.
-- ARGV[3] entries as in admit, with "charged at admission, due" in place of "demand, charge", and of a
--   budget also the instant from which on it counts.
-- Reply: applied (0 or 1), admitted at, then per crossing: index of the entry, percent, used.
local FIRST_KEY = 5
local sweeping, given_epoch = arguments[2] == 1, arguments[3]
local admitted, occurred = arguments[4], arguments[5]
local id = ARGV[2]
local now = clock()
local kept_epoch = epoch_kept(KEYS[1])

if sweeping then -- it may have been extended since it was found
  local expires = call('ZSCORE', KEYS[2], id)
  if not expires or tonumber(expires) > now then
    return { 0, admitted }
  end
end
local record = call('GET', KEYS[3])
call('ZREM', KEYS[2], id)
local doubtful = given_epoch == 0 or given_epoch ~= math.abs(kept_epoch)
if record == CLOSED or (not record and (sweeping or not doubtful)) then
  return { 0, admitted }
end
if doubtful then
  call('SET', KEYS[3], CLOSED, 'PX', int(KEEP_MS))
else
  call('DEL', KEYS[3])
end
if record then
  admitted = tonumber(string.match(record, '^%d+'))
end

local function add(key, width, present, amount)
  if amount > 0 then
    ring_put(key, width, present, amount, ring_seen(key, width, present))
  end
end

-- Adds `amount`, which may be negative, to a bucket that is in the ring already.
local function amend(key, bucket, amount, head, total, newest)
  if bucket == head then
    amount = max(amount, -newest)
    newest = newest + amount
  else
    local held = tonumber(call('HGET', key, bucket % SLOTS) or 0)
    amount = max(amount, -held)
    if amount ~= 0 then
      call('HSET', key, bucket % SLOTS, int(held + amount))
    end
  end
  call('HSET', key, 'n', struct.pack('<ddd', head, total + amount, newest))
end

local function refund(key, bucket, amount)
  local head, total, newest = triple(call('HGET', key, 'n'))
  if head and bucket <= head and bucket >= head - BUCKETS then
    amend(key, bucket, -amount, head, total, newest)
  end
end

local function backdate(key, width, present, bucket, amount)
  bucket = min(bucket, present)
  if amount == 0 or bucket < present - BUCKETS then
    return
  end
  local head, total, newest = triple(call('HGET', key, 'n'))
  if not head or bucket > head then
    add(key, width, bucket, amount)
  elseif bucket < head - BUCKETS then
    add(key, width, present, amount)
  else
    amend(key, bucket, min(amount, MAX_COUNT - total), head, total, newest)
  end
end

kept_epoch = epoch_begun(KEYS[1], kept_epoch, now)
local epoch, restored = math.abs(kept_epoch), kept_epoch > 0
local reply = { 1, admitted }
local entries = cmsgpack.unpack(ARGV[3])
local i, k, e = 1, FIRST_KEY, 0
while entries[i] do
  local kind, limit, due = entries[i] % SHADOW, entries[i + 1], entries[i + 3]
  local charged = record and entries[i + 2] or 0
  if kind == WINDOW then
    local width = entries[i + 4]
    if not record then
      backdate(KEYS[k], width, floor(now / width), floor(occurred / width), due)
    elseif due < charged then
      refund(KEYS[k], floor(admitted / width), charged - due)
    else
      add(KEYS[k], width, floor(now / width), due - charged)
    end
    i, k = i + 5, k + 1
  elseif kind == LEASE then
    call('ZREM', KEYS[k], id)
    i, k = i + 2, k + 1
  else
    local key, ends = KEYS[k], entries[i + 4]
    if admitted >= ends then
      key, ends = KEYS[k + 1], entries[i + 5]
    end
    if (charged > 0 or due > 0) and ends + KEEP_MS > now then
      local spent, reserved, alerted, base, of = budget_read(key)
      local used = spent or 0
      reserved = max(0, reserved - charged)
      base, of = divided(used, base, of, max(epoch, entries[i + 6]))
      if occurred >= of then
        used = used + min(due, MAX_COUNT - used - reserved)
      elseif due > 0 then -- the ledger has it, or will have
        mark_young(KEYS[4])
      end
      if restored then
        alerted = cross(reply, e, used, limit, alerted)
      end
      budget_write(key, used, reserved, alerted, base, of)
      if not spent then
        call('PEXPIRE', key, int(ends + KEEP_MS - now))
      end
    end
    i, k = i + 7, k + 2
  end
  e = e + 1
end
return reply
