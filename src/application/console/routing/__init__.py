"""Where requests go: simulated, and the routes as they stand."""
