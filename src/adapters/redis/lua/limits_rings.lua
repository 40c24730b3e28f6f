-- A ring is a hash: field n is the newest charged bucket, the running sum, and what that bucket
-- holds; fields 0..60 hold the older buckets by their number modulo 61.
local BUCKETS, SLOTS = 60, 61

-- Returns how a ring looks from bucket `present`, to be charged later or not:
--   head    newest bucket that was charged, nil for an unused ring
--   newest  what it holds
--   total   what counts at `present`
--   at      bucket to charge now
--   stale   what to delete before charging: nil nothing, true the whole key, else a list of fields
local function ring_seen(key, width, present)
  local head, total, newest = triple(call('HGET', key, 'n'))
  if not head or head == present then
    return head, newest, total, present, nil
  end
  local passed = present - head
  if passed > BUCKETS then
    return head, newest, 0, present, true
  end
  if passed < -BUCKETS then
    -- The clock stepped back by more than the window. Kept at once, also when the request is
    -- rejected: or every look would start the wait anew until the clock has caught up.
    call('DEL', key)
    call('HSET', key, 'n', struct.pack('<ddd', present, total, total))
    call('PEXPIRE', key, int((SLOTS + 1) * width))
    return present, total, total, present, nil
  end
  if passed < 0 then
    return head, newest, total, head, nil
  end
  local fields, stale = {}, {}
  for i = 1, passed do
    fields[i] = (head + i) % SLOTS
  end
  local left = call('HMGET', key, unpack(fields))
  for i = 1, passed do
    if left[i] then
      total = total - left[i]
      stale[#stale + 1] = fields[i]
    end
  end
  return head, newest, total, present, stale
end

local function ring_put(key, width, present, amount, head, newest, total, at, stale)
  amount = min(amount, MAX_COUNT - total)
  if head == at then
    call('HSET', key, 'n', struct.pack('<ddd', at, total + amount, newest + amount))
    if at == present then
      return
    end
  else
    local state = struct.pack('<ddd', at, total + amount, amount)
    if stale == true then
      call('DEL', key)
    elseif stale and stale[1] then
      call('HDEL', key, unpack(stale))
    end
    if head and stale ~= true then
      call('HSET', key, 'n', state, head % SLOTS, int(newest))
    else
      call('HSET', key, 'n', state)
    end
  end
  call('PEXPIRE', key, int((at - present + SLOTS + 1) * width))
end

-- When `excess` will have left the ring, in milliseconds from `now`.
local function ring_wait(key, width, now, excess, head, newest, at)
  local fields = {}
  for bucket = at - BUCKETS, head - 1 do
    fields[#fields + 1] = bucket % SLOTS
  end
  local held = #fields > 0 and call('HMGET', key, unpack(fields)) or {}
  held[#fields + 1] = newest
  for i = 1, #held do
    excess = excess - (held[i] or 0)
    if excess <= 0 then
      return (at + i) * width - now
    end
  end
  return redis.error_reply('LIMITS a running sum is not the sum of its buckets')
end
