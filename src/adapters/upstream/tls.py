"""The TLS side of a connection to a provider."""

import ssl
from functools import lru_cache

import certifi


@lru_cache(maxsize=64)
def client_context(ca_pem: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies chain and host name and speaks HTTP/1.1 only.

    `ca_pem` replaces the system's roots. Without it the system's store is used, or certifi's
    where the system has none (python.org builds on macOS, slim images). Reading a whole store
    takes tens of milliseconds, so contexts are kept for the life of the process.

    Raises:
        ValueError: `ca_pem` holds no usable certificate.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem)
    except ssl.SSLError:
        raise ValueError("ca_pem holds no usable PEM certificate") from None
    if ca_pem is None and _system_has_no_roots():
        context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _system_has_no_roots() -> bool:
    paths = ssl.get_default_verify_paths()
    return not paths.cafile and not paths.capath
