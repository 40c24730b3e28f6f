"""PostgreSQL and Valkey as direct children of this program, reachable over unix sockets only."""
