-- Shared head of the limit scripts. domain/limits is the specification; the differential tests
-- compare the two integer by integer. ARGV[1] of every script is a msgpack array of integers that
-- starts with the version, ARGV[2] (where there is one) the reservation id.
local VERSION = 1

local arguments = cmsgpack.unpack(ARGV[1])
if arguments[1] ~= VERSION then
  return redis.error_reply('LIMITS these arguments are not of script version ' .. VERSION)
end

local BUCKETS = 60
local SLOTS = 61
local MAX_COUNT = 9007199254740991
local KEEP_MS = 172800000
local LONGEST_LIFETIME_MS = 600000
local REBUILD_RETRY_MS = 1000
local NEVER = -1
-- Kinds of entries; each is STRIDE integers: kind, shadow, limit, four of its own.
local WINDOW, SOFT_BUDGET, STRICT_BUDGET, LEASE = 1, 2, 3, 4
local STRIDE = 7
-- What is left of a reservation where a second settlement could not be told from the first.
local CLOSED = '-'

local call, floor, min, max = redis.call, math.floor, math.min, math.max

-- As an argument a large number would be written like 1e+15.
local function int(number)
  return string.format('%.0f', number)
end

-- A ring is a hash: h newest charged bucket, s running sum, 0..60 the buckets by number modulo 61.
-- Returns how it looks from bucket `present`, to be charged later or not:
--   head   newest bucket that was charged, nil for an unused ring
--   at     bucket to charge now
--   total  what counts
--   here   what bucket `at` holds
--   stale  what to delete before writing: nil nothing, true the whole key, else a list of fields
local function ring_seen(key, width, present)
  local seen = call('HMGET', key, 'h', 's', present % SLOTS)
  if not seen[1] then
    return nil, present, 0, 0, nil
  end
  local head, total = tonumber(seen[1]), tonumber(seen[2])
  local passed = present - head
  if passed == 0 then
    return head, head, total, tonumber(seen[3] or 0), nil
  end
  if passed > BUCKETS then
    return head, present, 0, 0, true
  end
  if passed < -BUCKETS then
    -- The clock stepped back by more than the window. Kept at once, also when the request is
    -- rejected: or every look would start the wait anew until the clock has caught up.
    call('DEL', key)
    call('HSET', key, 'h', int(present), 's', int(total), present % SLOTS, int(total))
    call('PEXPIRE', key, int((SLOTS + 1) * width))
    return present, present, total, total, nil
  end
  if passed < 0 then
    return head, head, total, tonumber(call('HGET', key, head % SLOTS) or 0), nil
  end
  local fields, stale = {}, {}
  for i = 1, passed do
    fields[i] = (head + i) % SLOTS
  end
  local left = call('HMGET', key, unpack(fields))
  for i = 1, passed do
    if left[i] then
      total = total - tonumber(left[i])
      stale[#stale + 1] = fields[i]
    end
  end
  return head, present, total, 0, stale
end

local function ring_put(key, width, present, amount, head, at, total, here, stale)
  amount = min(amount, MAX_COUNT - total)
  if stale == true then
    call('DEL', key)
  elseif stale and stale[1] then
    call('HDEL', key, unpack(stale))
  end
  if head == at and not stale then
    call('HSET', key, 's', int(total + amount), at % SLOTS, int(here + amount))
    if at == present then
      return
    end
  else
    call('HSET', key, 'h', int(at), 's', int(total + amount), at % SLOTS, int(here + amount))
  end
  call('PEXPIRE', key, int((at - present + SLOTS + 1) * width))
end

local function ring_add(key, width, present, amount)
  if amount > 0 then
    ring_put(key, width, present, amount, ring_seen(key, width, present))
  end
end

-- When `excess` will have left the ring, in milliseconds from `now`.
local function ring_wait(key, width, now, excess, head, at)
  local fields = {}
  for bucket = at - BUCKETS, head do
    fields[#fields + 1] = bucket % SLOTS
  end
  local held = call('HMGET', key, unpack(fields))
  for i = 1, #fields do
    excess = excess - tonumber(held[i] or 0)
    if excess <= 0 then
      return (at + i) * width - now
    end
  end
  return redis.error_reply('LIMITS a running sum is not the sum of its buckets')
end

local function take_lease(key, id, now, expires)
  call('ZREMRANGEBYSCORE', key, '-inf', int(now))
  call('ZADD', key, int(expires), id)
  call('PEXPIRE', key, int(KEEP_MS))
end

-- The smallest amount that is `percent` of `limit`, by integers a double holds exactly.
local function threshold(limit, percent)
  local hundreds = floor(limit / 100)
  return hundreds * percent + floor(((limit - hundreds * 100) * percent + 99) / 100)
end

-- Appends index, percent, used for every threshold reached for the first time; returns the bits.
local function cross(out, index, used, limit, alerted)
  local bit = 1
  for _, percent in ipairs({ 50, 80, 95, 100 }) do
    if limit > 0 and used >= threshold(limit, percent) and floor(alerted / bit) % 2 == 0 then
      alerted = alerted + bit
      if out then
        out[#out + 1], out[#out + 2], out[#out + 3] = index, percent, used
      end
    end
    bit = bit * 2
  end
  return alerted
end
