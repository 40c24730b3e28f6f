-- Raises a budget counter to a total known from the ledger; its thresholds count as fired.
-- KEYS counter of one period. arguments: version, used, limit, end of the period.
-- Reply: what the counter holds afterwards.
local wanted, limit, ends = min(arguments[2], MAX_COUNT), arguments[3], arguments[4]
local now = clock()
if ends + KEEP_MS <= now then
  return 0
end
local spent, reserved, alerted = triple(call('HGET', KEYS[1], 'n'))
local used = max(spent or 0, min(wanted, MAX_COUNT - reserved))
budget_write(KEYS[1], used, reserved, cross({}, 0, wanted, limit, alerted))
call('PEXPIRE', KEYS[1], int(ends + KEEP_MS - now))
return used
