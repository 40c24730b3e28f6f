local function take_lease(key, id, now, expires)
  call('ZREMRANGEBYSCORE', key, '-inf', int(now))
  call('ZADD', key, int(expires), id)
  call('PEXPIRE', key, int(KEEP_MS))
end
