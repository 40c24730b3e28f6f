-- Takes over the ledger's sum of what ended before an instant; its thresholds count as fired.
-- KEYS counter of one period. arguments: version, sum, the instant, limit, end of the period.
-- Reply: what the counter holds afterwards.
local wanted, partition, limit = min(arguments[2], MAX_COUNT), arguments[3], arguments[4]
local ends = arguments[5]
local now = clock()
if ends + KEEP_MS <= now then
  return 0
end
local spent, reserved, alerted, base, of = budget_read(KEYS[1])
local used = spent or 0
base, of = divided(used, base, of, partition)
if partition == of then -- a sum up to an earlier instant says nothing about this counter
  alerted = cross({}, 0, wanted, limit, alerted)
  local added = min(max(0, wanted - base), MAX_COUNT - used - reserved)
  used, base = used + added, base + added
end
budget_write(KEYS[1], used, reserved, alerted, base, of)
call('PEXPIRE', KEYS[1], int(ends + KEEP_MS - now))
return used
