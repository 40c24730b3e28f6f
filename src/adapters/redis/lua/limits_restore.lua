-- Takes over the ledger's sum of what ended before an instant; thresholds that the counter has
-- reached then count as fired, whether by the sum alone or by what the store counted beside it.
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
  local added = min(max(0, wanted - base), MAX_COUNT - used - reserved)
  used, base = used + added, base + added
  alerted = cross({}, 0, used, limit, alerted)
end
budget_write(KEYS[1], used, reserved, alerted, base, of)
call('PEXPIRE', KEYS[1], int(ends + KEEP_MS - now))
return used
