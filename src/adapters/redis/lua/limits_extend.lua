-- Heartbeat of a reservation and its leases.
-- KEYS index of reservations, record of this reservation, leases. arguments: version, lifetime.
-- Reply: 1, or 0 when the reservation is settled or lost.
local id, lifetime = ARGV[2], arguments[2]
local first = call('GETRANGE', KEYS[2], 0, 0)
if first == '' or first == CLOSED then
  return 0
end
local now = clock()
call('PEXPIRE', KEYS[2], int(lifetime + KEEP_MS))
call('ZADD', KEYS[1], int(now + lifetime), id)
for k = 3, #KEYS do
  take_lease(KEYS[k], id, now, now + lifetime)
end
return 1
