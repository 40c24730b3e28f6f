"""The console's REST API, as commands use it."""

from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
import msgspec

from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.datadir import OPERATOR_TOKEN, DataDir
from entrypoints.failures import EXIT_FAILED, Failure, StartFailed, unavailable

_TIMEOUT_S = 30.0


class ConsoleUnreachable(StartFailed):
    """No answer, or one that says to come back later."""


class Problem(msgspec.Struct):
    """The part of an RFC 9457 body worth showing."""

    detail: str = ""
    title: str = ""


class ConsoleApi:
    """One console, with one token."""

    def __init__(self, url: str, token: Secret) -> None:
        """Talk to the console at `url`; proxies of the environment only for other machines."""
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            headers={"authorization": f"Bearer {token.reveal()}", "accept": "application/json"},
            timeout=_TIMEOUT_S,
            trust_env=not _is_loopback(url),
        )

    def __enter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def get(self, path: str, query: dict[str, str]) -> bytes:
        """Return the body of a successful answer.

        Raises:
            ConsoleUnreachable: trying again later may help.
            StartFailed: the console refused; the line says why.
        """
        return self._request("GET", path, query, None)

    def post(self, path: str, body: object, query: dict[str, str] | None = None) -> bytes:
        """Send `body` as JSON and return the body of a successful answer. Raises like `get`."""
        return self._request("POST", path, query or {}, msgspec.json.encode(body))

    def _request(self, method: str, path: str, query: dict[str, str], body: bytes | None) -> bytes:
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            answer = self._client.request(method, path, params=query, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConsoleUnreachable(
                Failure(
                    f"the console at {self._url} does not answer ({type(error).__name__})",
                    "start it with 'thinkwatch serve', or name it with --url",
                )
            ) from error
        if answer.status_code in {200, 201}:
            return answer.content
        reason = _reason(answer)
        if answer.status_code in {401, 403}:
            raise StartFailed(
                Failure(
                    f"the console at {self._url} refused the token",
                    "set THINKWATCH_TOKEN, or use the data directory of that console",
                    EXIT_FAILED,
                )
            )
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ConsoleUnreachable(
                Failure(f"the console answered {answer.status_code}: {reason}", "try again later")
            )
        raise StartFailed(
            Failure(
                f"the console answered {answer.status_code}: {reason}",
                "correct the request",
                EXIT_FAILED,
            )
        )


def open_console_api(config: BootConfig, url: str | None) -> ConsoleApi:
    """Return the API of the console that is named by `url`, runs here, or is configured.

    Raises:
        StartFailed: there is no token to show.
    """
    return ConsoleApi(url or _console_url(config), _token(config))


def _console_url(config: BootConfig) -> str:
    holder = DataDir(config.data_dir).running_holder()
    if holder is not None and "console" in holder.ports:
        return f"http://{_reachable(config.console_host)}:{holder.ports['console']}"
    if config.public_console_url is not None:
        return config.public_console_url
    return f"http://{_reachable(config.console_host)}:{config.console_port}"


def _reachable(host: str) -> str:
    """Return an address to connect to for an address that is listened on."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"[{host}]" if ":" in host else host


def _token(config: BootConfig) -> Secret:
    if config.console_token is not None:
        return config.console_token
    path = config.data_dir / OPERATOR_TOKEN
    try:
        return Secret(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise unavailable(
            f"there is no token for the console: {path} cannot be read",
            "set THINKWATCH_TOKEN, or name the data directory with --data-dir",
        ) from error


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(answer: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except msgspec.MsgspecError:
        return answer.reason_phrase
    return problem.detail or problem.title or answer.reason_phrase
