"""Signature version 4 on requests to Bedrock, made by botocore's signer.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from msgspec import structs

from adapters.providers.aws_credentials import AwsKeys
from adapters.providers.aws_keys import KeySource
from adapters.providers.credentials import Credential
from application.ports.upstream import UpstreamRequest
from application.runtime.large_bodies import LargeBodies

_SERVICE = "bedrock"
# Others may be changed by proxies on the way, and prove nothing.
_SIGNED = frozenset({b"content-type"})
_MADE_BY_SIGNING = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})
_UNRESERVED = "-_.~"

# AWS partitions, by what their regions start with: https://docs.aws.amazon.com/general/latest/gr/rande.html
_DOMAINS = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
)


class SigV4Credential(Credential):
    """Signs each request with the keys of the moment."""

    def __init__(self, source: KeySource, region: str, bodies: LargeBodies) -> None:
        """`bodies` hashes large bodies away from the event loop."""
        self._source = source
        self._region = region
        self._bodies = bodies

    async def authorize(self, request: UpstreamRequest) -> UpstreamRequest:
        """Return `request`, signed; a signature it had is replaced. Raises like `KeySource`."""
        keys = await self._source.keys()
        return await self._bodies.work(request.body, lambda _: sign(request, keys, self._region))

    def refused(self) -> None:
        """Get new keys for the next request."""
        self._source.refused()


def sign(request: UpstreamRequest, keys: AwsKeys, region: str) -> UpstreamRequest:
    """Return `request` with a signature of its method, URL, content type and body.

    The path is signed as it stands in the URL, which is how it is sent.
    """
    headers = {name.decode(): value.decode() for name, value in request.headers if name in _SIGNED}
    signed = AWSRequest(request.method, request.url, headers, request.body)
    credentials = ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token)
    SigV4Auth(credentials, _SERVICE, region).add_auth(signed)
    made = {name.lower(): str(value) for name, value in signed.headers.items()}
    return structs.replace(
        request,
        headers=(
            *(pair for pair in request.headers if pair[0].decode() not in _MADE_BY_SIGNING),
            *(
                (name.encode(), made[name].encode())
                for name in sorted(_MADE_BY_SIGNING & set(made))
            ),
        ),
    )


def bedrock_url(region: str) -> str:
    """Return the base URL of Bedrock's runtime in a region."""
    domain = next((domain for start, domain in _DOMAINS if region.startswith(start)), None)
    return f"https://bedrock-runtime.{region}.{domain or 'amazonaws.com'}"


def converse_path(model: str, *, stream: bool) -> str:
    """Return the path of Converse or ConverseStream for a model id, inference profile or ARN.

    Everything but unreserved characters is escaped, also the slashes and colons of ARNs, as the
    service's own clients do.
    """
    operation = "converse-stream" if stream else "converse"
    return f"/model/{quote(model, safe=_UNRESERVED)}/{operation}"
