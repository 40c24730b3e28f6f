"""Runtime settings: hot, stored in the database, the same on every replica."""
