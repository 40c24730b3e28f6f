-- A budget counter is a hash with the field n: used, reserved, bits of the alerts that have fired,
-- base (the part of used that the ledger owns), of (the instant before which it owns everything).
local function budget_read(key)
  local packed = call('HGET', key, 'n')
  if packed then
    return struct.unpack('<ddddd', packed)
  end
  return nil, 0, 0, 0, 0
end

local function budget_write(key, used, reserved, alerted, base, of)
  call('HSET', key, 'n', struct.pack('<ddddd', used, reserved, alerted, base, of))
end

-- The smallest amount that is `percent` of `limit`, by integers a double holds exactly.
local function threshold(limit, percent)
  local hundreds = floor(limit / 100)
  return hundreds * percent + floor(((limit - hundreds * 100) * percent + 99) / 100)
end

-- Appends index, percent, used for every threshold reached for the first time; returns the bits.
local function cross(crossings, index, used, limit, alerted)
  local bit = 1
  for _, percent in ipairs({ 50, 80, 95, 100 }) do
    if limit > 0 and used >= threshold(limit, percent) and floor(alerted / bit) % 2 == 0 then
      alerted = alerted + bit
      local n = #crossings
      crossings[n + 1], crossings[n + 2], crossings[n + 3] = index, percent, used
    end
    bit = bit * 2
  end
  return alerted
end

-- Returns base and of once the counter is divided at `partition`: all that was counted by a counter
-- divided earlier happened before it.
local function divided(used, base, of, partition)
  if partition > of then
    return used, partition
  end
  return base, of
end
