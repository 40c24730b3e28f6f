-- The epoch is kept below 0 while its budgets are being restored; an empty store has none, 0.
local function epoch_kept(key)
  return tonumber(call('GET', key) or 0)
end

local function epoch_begun(key, kept, now)
  if kept == 0 then
    kept = -now
    call('SET', key, int(kept))
  end
  return kept
end

-- The ledger's sums are to be looked at again for a while.
local function mark_young(key)
  call('SET', key, '1', 'PX', int(YOUNG_MS))
end
