-- Forgets what was counted; reservations, leases and fired alerts stay.
-- KEYS per entry as in admit (no leases). arguments: version, then per entry: kind, boundary.
local now, k = clock(), 1
for i = 2, #arguments, 2 do
  if arguments[i] == WINDOW then
    call('DEL', KEYS[k])
    k = k + 1
  else
    local key = now < arguments[i + 1] and KEYS[k] or KEYS[k + 1]
    local spent, reserved, alerted = triple(call('HGET', key, 'n'))
    if spent then
      budget_write(key, 0, reserved, alerted)
    end
    k = k + 2
  end
end
return 1
