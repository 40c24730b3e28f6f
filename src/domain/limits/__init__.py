"""Rate windows, calendar budgets and concurrency leases (limits.md): the specification.

`windows`, `budgets` and `leases` are the counters, `book` the all-or-nothing check over them,
`policy` which of them bind a request. limits/*.lua is the same algorithm inside Redis.
"""
