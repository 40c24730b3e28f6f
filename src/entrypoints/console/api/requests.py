"""`GET /api/requests`: the request records."""
