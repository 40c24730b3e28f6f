"""REST API of the console: one module per resource, no logic."""
