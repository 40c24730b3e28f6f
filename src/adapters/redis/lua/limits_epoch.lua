-- Begins an epoch, or ends its rebuilding.
-- KEYS epoch, mark of a store that is young. arguments: version, epoch to end the rebuilding of, or 0
--   to begin one unless there is one.
-- Reply: the epoch as it is kept, whether the store is young, whether this call ended a rebuilding.
local ending = arguments[2]
local kept, ended = epoch_kept(KEYS[1]), 0
if ending == 0 then
  kept = epoch_begun(KEYS[1], kept, clock())
elseif kept == -ending then
  kept, ended = ending, 1
  call('SET', KEYS[1], int(kept))
  mark_young(KEYS[2])
end
return { kept, call('EXISTS', KEYS[2]), ended }
