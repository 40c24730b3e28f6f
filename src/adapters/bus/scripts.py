"""Lua scripts of the Redis Streams bus: each step on the stream is one atomic command.

Every script gets KEYS = stream, epoch, bytes (and a dead-letter stream). The epoch changes when the
stream had to be made anew, and is combined with the server's run id: after a wipe, a restart or a
failover entries may be missing, and publishers have to ship again what was not confirmed.
"""

EPOCH = """
local function begin()
  if redis.call('EXISTS', KEYS[1]) == 0 then
    local now = redis.call('TIME')
    redis.call('SET', KEYS[2], now[1] .. '.' .. now[2])
    redis.call('SET', KEYS[3], '0')
  end
end
local function epoch()
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  return run .. '/' .. (redis.call('GET', KEYS[2]) or '')
end
"""

FIELD = """
local function field(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return flat[i + 1] end
  end
end
"""

DONE = (
    FIELD
    + """
local function at_or_before(a, b)
  local ams, aseq = string.match(a, '(%d+)-(%d+)')
  local bms, bseq = string.match(b, '(%d+)-(%d+)')
  ams, aseq, bms, bseq = tonumber(ams), tonumber(aseq), tonumber(bms), tonumber(bseq)
  return ams < bms or (ams == bms and aseq <= bseq)
end
local function done_by_all(groups, id)
  for _, group in ipairs(groups) do
    if not at_or_before(id, field(group, 'last-delivered-id')) then return false end
    local name = field(group, 'name')
    if #redis.call('XPENDING', KEYS[1], name, id, id, 1) > 0 then return false end
  end
  return true
end
local function acknowledge(group, ids)
  if redis.call('EXISTS', KEYS[1]) == 0 then return end
  local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
  for _, id in ipairs(ids) do
    redis.call('XACK', KEYS[1], group, id)
    if done_by_all(groups, id) then
      local found = redis.call('XRANGE', KEYS[1], id, id)
      if found[1] then
        redis.call('XDEL', KEYS[1], id)
        redis.call('DECRBY', KEYS[3], #(field(found[1][2], 'data') or ''))
      end
    end
  end
end
"""
)

# ARGV: batch id, lines, data, most entries, most bytes -> {epoch, entry id or '' when full}
PUBLISH = (
    EPOCH
    + """
begin()
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0')
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[4]) or bytes + #ARGV[3] > tonumber(ARGV[5]) then
  return {epoch(), ''}
end
local id = redis.call('XADD', KEYS[1], '*', 'id', ARGV[1], 'lines', ARGV[2], 'data', ARGV[3])
redis.call('INCRBY', KEYS[3], #ARGV[3])
return {epoch(), id}
"""
)

# -> {epoch, id of the first entry not done by all groups, or of the last entry ever, 1 if the latter}
CONFIRMED = (
    EPOCH
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {'', '0-0', 0} end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if first[1] then return {epoch(), first[1][1], 0} end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then return {epoch(), info[i + 1], 1} end
end
"""
)

# One argument, the name of the group
CREATE_GROUP = (
    EPOCH
    + """
begin()
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
return 1
"""
)

# ARGV: group, consumer, idle ms, cursor, count -> {next cursor, {{id, fields, deliveries}...}}
CLAIM = """
local found = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local claimed = {}
for _, entry in ipairs(found[2]) do
  if entry then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    claimed[#claimed + 1] = {entry[1], entry[2], pending[1] and pending[1][4] or 1}
  end
end
return {found[1], claimed}
"""

# ARGV: group, consumer, ids...: only what this consumer still holds
KEEP = """
for i = 3, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  end
end
return 1
"""

# ARGV: group, ids...
ACKNOWLEDGE = (
    DONE
    + """
local ids = {}
for i = 2, #ARGV do ids[#ids + 1] = ARGV[i] end
acknowledge(ARGV[1], ids)
return 1
"""
)

# -> {entries, bytes, {group, age in ms of its oldest unacknowledged entry or 0, ...}}
BACKLOG = (
    FIELD
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, {}} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lags = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name = field(group, 'name')
  local oldest = redis.call('XPENDING', KEYS[1], name)[2]
  if not oldest then
    local after = '(' .. field(group, 'last-delivered-id')
    local fresh = redis.call('XRANGE', KEYS[1], after, '+', 'COUNT', 1)
    oldest = fresh[1] and fresh[1][1]
  end
  lags[#lags + 1] = name
  lags[#lags + 1] = oldest and math.max(0, now - tonumber(string.match(oldest, '^%d+'))) or 0
end
return {redis.call('XLEN', KEYS[1]), tonumber(redis.call('GET', KEYS[3]) or '0'), lags}
"""
)

# KEYS[4]: dead letters. ARGV: group, entry id, batch id, lines, data, attempts, reason, most entries
DEAD_LETTER = (
    DONE
    + """
if redis.call('XLEN', KEYS[4]) >= tonumber(ARGV[8]) then return 0 end
redis.call('XADD', KEYS[4], '*', 'entry', ARGV[2], 'id', ARGV[3], 'lines', ARGV[4],
  'data', ARGV[5], 'attempts', ARGV[6], 'reason', ARGV[7])
acknowledge(ARGV[1], {ARGV[2]})
return 1
"""
)

# ARGV: group, consumer, idle ms: consumers of earlier processes that hold nothing
FORGET_CONSUMERS = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local forgotten = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local seen = {}
  for i = 1, #info, 2 do seen[info[i]] = info[i + 1] end
  if seen['name'] ~= ARGV[2] and seen['pending'] == 0 and seen['idle'] > tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], seen['name'])
    forgotten = forgotten + 1
  end
end
return forgotten
"""
