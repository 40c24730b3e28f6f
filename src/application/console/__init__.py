"""Use cases of the console and the CLI."""
