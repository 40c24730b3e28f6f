-- Forgets what was counted; reservations, leases and fired alerts stay.
-- KEYS epoch, then per entry as in admit (no leases). arguments: version, instant of the reset, then
--   per entry: kind, boundary, end of the later period, instant from which on it counts.
local now, k, at = clock(), 2, arguments[2]
local epoch = math.abs(epoch_begun(KEYS[1], epoch_kept(KEYS[1]), now))
for i = 3, #arguments, 4 do
  if arguments[i] == WINDOW then
    call('DEL', KEYS[k])
    k = k + 1
  else
    local key, ends = KEYS[k], arguments[i + 1]
    if now >= ends then
      key, ends = KEYS[k + 1], arguments[i + 2]
    end
    if ends + KEEP_MS > now then
      local _, reserved, alerted, _, of = budget_read(key)
      -- Later than before in any case, or the ledger's sum would bring back what it had.
      of = max(of + 1, max(epoch, arguments[i + 3]) + 1, at)
      budget_write(key, 0, reserved, alerted, 0, of)
      call('PEXPIRE', key, int(ends + KEEP_MS - now))
    end
    k = k + 2
  end
end
return 1
