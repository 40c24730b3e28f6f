-- Begins an epoch unless one runs. KEYS epoch. Reply: the epoch.
call('SET', KEYS[1], int(clock()), 'NX')
return tonumber(call('GET', KEYS[1]))
