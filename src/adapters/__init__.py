"""Technology behind the ports: stores, wire formats, providers, upstream transports."""
