"""Who somebody is, and what follows from it."""
