"""Reaching a port of ours from this machine, to see whether it should be given traffic."""

import http.client

_TIMEOUT_SECONDS = 3.0
_LONGEST_ANSWER = 2_000


def reachable(host: str) -> str:
    """Return an address of this machine for a listening address that means "all of them"."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def local_url(host: str, port: int) -> str:
    """Return the base URL under which this machine reaches what listens on `host`."""
    address = reachable(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def unhealthy(host: str, port: int) -> str | None:
    """Ask `/health/ready` and return what it says while it is not 200; None when it is."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read(_LONGEST_ANSWER).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"/health/ready: {error}"
    else:
        return None if answer.status == 200 else f"/health/ready: {body}"
    finally:
        connection.close()
