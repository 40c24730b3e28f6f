"""Implementations of the UpstreamTransport port: our own HTTP/1.1 client, and httpx."""
