-- Head of every limit script. domain/limits is the specification; the differential tests compare the
-- two integer by integer. ARGV[1] is a msgpack array of integers that starts with the version,
-- ARGV[2] (where there is one) the reservation id.
local VERSION = 3

local arguments = cmsgpack.unpack(ARGV[1])
if arguments[1] ~= VERSION then
  return redis.error_reply('LIMITS these arguments are not of script version ' .. VERSION)
end

local MAX_COUNT = 9007199254740991
local KEEP_MS = 172800000
local LONGEST_LIFETIME_MS = 600000
local YOUNG_MS = 600000
-- Kinds of entries; SHADOW is added to the kind of one that never rejects.
local WINDOW, SOFT_BUDGET, STRICT_BUDGET, LEASE, SHADOW = 1, 2, 3, 4, 8
-- What is left of a reservation where a second settlement could not be told from the first.
local CLOSED = '-'

local call, floor, min, max = redis.call, math.floor, math.min, math.max

-- As an argument a large number would be written like 1e+15.
local function int(number)
  return string.format('%.0f', number)
end

-- Three integers in one field: one look-up instead of three. Doubles hold them exactly.
local function triple(packed)
  if packed then
    return struct.unpack('<ddd', packed)
  end
  return nil, 0, 0
end
