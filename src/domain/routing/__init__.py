"""Which provider serves which model."""
