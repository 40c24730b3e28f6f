"""Where providers may be, beside the public internet."""

from entrypoints.config import BootConfig

LOOPBACK_AND_PRIVATE = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)


def allowed_networks(config: BootConfig) -> tuple[str, ...]:
    """Return the non-public networks providers may be in (data-plane.md section 5, SSRF)."""
    if config.upstream_allowed_networks is not None:
        return config.upstream_allowed_networks
    return LOOPBACK_AND_PRIVATE if config.database_url is None else ()
