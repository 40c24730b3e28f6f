"""The JSON shapes of each vendor, as msgspec Structs and nothing else."""
