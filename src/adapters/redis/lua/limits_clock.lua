-- The server's clock in Unix milliseconds. Replicas of the gateway with skewed clocks agree by it.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
