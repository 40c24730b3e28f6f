"""The machine this runs on: time, randomness, identifiers."""
