-- Finds what a sweeper has to look at.
-- KEYS index of reservations. arguments: version, count.
-- Reply: two lists of ids: expired (oldest first), and those whose expiry lies further ahead than
--   any lifetime: the clock stepped back, so they are to be extended from now.
local now, count = clock(), arguments[2]
return {
  call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, count),
  call('ZRANGEBYSCORE', KEYS[1], '(' .. int(now + LONGEST_LIFETIME_MS), '+inf', 'LIMIT', 0, count),
}
