"""Small JSON answers of an identity provider, with bounds on time and size, and no redirects."""

import msgspec

from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamTimeouts,
    UpstreamTransport,
)
from domain.access.single_sign_on import is_secure
from domain.access.sso_claims import Claims
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.errors import InvalidRequest, UpstreamFailure, UpstreamProtocolError

TIMEOUTS = UpstreamTimeouts(connect=5.0, first_byte=10.0, idle=5.0, total=15.0)
LARGEST_ANSWER = 256 * 1024


class ProviderHttp:
    """Asks one address at a time; the transport decides which addresses may be reached."""

    def __init__(self, transport: UpstreamTransport) -> None:
        """The transport is closed by whoever made it."""
        self._transport = transport

    async def get(self, url: str, *, headers: Headers = ()) -> Claims:
        """Return the object at `url`.

        Raises:
            SingleSignOnFailed: it cannot be had, or is none.
        """
        status, content = await self._send("GET", url, headers, b"")
        if status != 200:
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"{url} answered with status {status}")
        return _object(url, content)

    async def post(self, url: str, headers: Headers, body: bytes) -> tuple[int, Claims]:
        """Return status and object of the answer; an error of OAuth has a status of 4xx.

        Raises:
            SingleSignOnFailed: it cannot be had, or is none.
        """
        status, content = await self._send("POST", url, headers, body)
        if status != 200 and not 400 <= status < 500:
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"{url} answered with status {status}")
        return status, _object(url, content)

    async def _send(
        self, method: str, url: str, headers: Headers, body: bytes
    ) -> tuple[int, bytes]:
        if not is_secure(url):
            raise sso_failed(SsoFailure.INSECURE_ADDRESS, url)
        request = UpstreamRequest(
            method=method,
            url=url,
            headers=((b"accept", b"application/json"), *headers),
            body=body,
            timeouts=TIMEOUTS,
        )
        content = bytearray()
        try:
            answer = await self._transport.send(request)
            try:
                async for chunk in answer.chunks():
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise sso_failed(
                            SsoFailure.INVALID_ANSWER,
                            f"{url} answered with more than {LARGEST_ANSWER} bytes",
                        )
            finally:
                await answer.aclose()
        except UpstreamProtocolError as error:
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"{url}: {error.detail}") from error
        except UpstreamFailure as error:
            raise sso_failed(SsoFailure.UNREACHABLE, f"{url}: {error.message}") from error
        except InvalidRequest as error:
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"{url}: {error.message}") from error
        return answer.status, bytes(content)


def _object(url: str, content: bytes) -> Claims:
    try:
        return msgspec.json.decode(content, type=dict[str, object])
    except (ValueError, RecursionError):
        raise sso_failed(
            SsoFailure.INVALID_ANSWER, f"{url} did not answer with an object"
        ) from None
