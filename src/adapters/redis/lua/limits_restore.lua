-- Raises a budget counter to a total known from the ledger; its thresholds count as fired.
-- KEYS counter of one period. arguments: version, used, limit, end of the period.
-- Reply: what the counter holds afterwards.
local wanted, limit, ends = min(arguments[2], MAX_COUNT), arguments[3], arguments[4]
local now = clock()
if ends + KEEP_MS <= now then
  return 0
end
local held = call('HMGET', KEYS[1], 'u', 'r', 'm')
local used = max(tonumber(held[1] or 0), min(wanted, MAX_COUNT - tonumber(held[2] or 0)))
local alerted = cross(nil, 0, wanted, limit, tonumber(held[3] or 0))
call('HSET', KEYS[1], 'u', int(used), 'm', alerted)
call('PEXPIRE', KEYS[1], int(ends + KEEP_MS - now))
return used
