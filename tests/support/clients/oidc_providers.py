"""OpenID Connect providers that nobody here wrote, from npm and PyPI, each as its own process."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.support.clients.npm import FOLDER, NODE, offline
from tests.support.identity_provider import CLIENT_ID, REDIRECT
from tests.support.program import free_port, wait_until

SECRET = "a-secret-of-thirty-two-characters"
LOGGED_OUT = "https://thinkwatch.example.com/signed-out"
HOME = "https://thinkwatch.example.com/"
PEOPLE: dict[str, dict[str, Any]] = {
    "jane": {
        "email": "jane@example.com",
        "email_verified": True,
        "name": "Jane Doe",
        "groups": ["developers", "platform"],
    },
    "root": {"email": "root@example.com", "email_verified": True, "name": "R", "groups": []},
    "joe": {"email": "joe@example.com", "email_verified": False, "name": "Joe", "groups": []},
}
_START_TIMEOUT_S = 30.0


@contextlib.contextmanager
def certified_provider(
    directory: Path, *, method: str = "client_secret_basic", conform: bool = True
) -> Generator[str]:
    """Run `oidc-provider` (npm) and yield its issuer; `conform`: claims only from userinfo."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    client = {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [LOGGED_OUT, HOME],
        "token_endpoint_auth_method": method,
    }
    orders = {
        "issuer": issuer,
        "port": port,
        "conform": conform,
        "people": PEOPLE,
        "clients": [client],
    }
    command = [str(NODE), str(FOLDER / "oidc_provider.mjs")]
    with _running(command, directory, issuer, json.dumps(orders)):
        yield issuer


@contextlib.contextmanager
def mock_provider(directory: Path) -> Generator[str]:
    """Run `oidc-provider-mock` (PyPI) and yield its issuer."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    people = [json.dumps({"sub": name, **claims}) for name, claims in PEOPLE.items()]
    told = [argument for person in people for argument in ("--user-claims", person)]
    command = [sys.executable, "-m", "oidc_provider_mock", "-p", str(port), "-n", *told]
    with _running(command, directory, issuer, ""):
        yield issuer


@contextlib.contextmanager
def _running(command: list[str], directory: Path, issuer: str, orders: str) -> Generator[None]:
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            env={**offline(HOME=str(directory)), "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(orders)
                process.stdin.close()
            wait_until(
                lambda: process.poll() is not None or _answers(issuer),
                within_s=_START_TIMEOUT_S,
                what=f"{command[1]} listens",
            )
            assert process.poll() is None, (directory / "log").read_text()[-2000:]
            yield
        finally:
            process.terminate()
            process.wait(20)


def _answers(issuer: str) -> bool:
    try:
        with urlopen(f"{issuer}/.well-known/openid-configuration", timeout=2):
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
