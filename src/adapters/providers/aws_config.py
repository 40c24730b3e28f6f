"""Options and credential objects of a Bedrock provider -> credentials that authorise requests."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from adapters.providers.aws_credentials import AwsIdentity, AwsKeys, AwsSource
from adapters.providers.aws_keys import key_source
from adapters.providers.aws_signing import SigV4Credential
from adapters.providers.credentials import Credential, HeaderCredential
from adapters.providers.provider_config import check_header_value, read_credential, text_option
from application.ports.clock import Clock
from application.runtime.large_bodies import LargeBodies
from domain.errors import InvalidRequest

AWS_OPTIONS = (
    "region",
    "credential_source",
    "profile",
    "role_arn",
    "external_id",
    "role_session_name",
    "web_identity_token_file",
)
"""Options that say where a request is sent and who signs it."""

_EXPECTED = (
    "an object with 'api_key' (text), or with 'access_key_id' and 'secret_access_key' (texts) and, "
    "optionally, 'session_token'; 'external_id' may stand beside the latter"
)
_SOURCES = tuple(source.value for source in AwsSource if source is not AwsSource.STATIC)
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{1,16}){1,3}-[0-9]{1,2}")
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\x21-\x7e]{1,512}")
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_PROFILE = re.compile(r"[!-~]{1,128}")
_ACCESS_KEY = re.compile(r"\w{16,128}", re.ASCII)


class AwsCredential(Struct, frozen=True, forbid_unknown_fields=True):
    """One sealed credential: an API key of Bedrock's, or access keys.

    Attributes:
        external_id: sent when a role is assumed, for those who keep it secret.
    """

    api_key: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    external_id: str | None = None

    def __repr__(self) -> str:
        """Never the values."""
        return "AwsCredential(…)"


def read_region(options: Mapping[str, object]) -> str:
    """Return the region, e.g. `us-east-1`.

    Raises:
        InvalidRequest: not given, or no region's name.
    """
    region = text_option(options, "region")
    if region is None or not _REGION.fullmatch(region):
        raise InvalidRequest(
            "A provider of kind 'bedrock' needs a region such as 'us-east-1'.",
            param="options.region",
        )
    return region


def read_aws_credentials(
    options: Mapping[str, object],
    given: Sequence[Mapping[str, object]],
    *,
    clock: Clock,
    bodies: LargeBodies,
) -> tuple[tuple[Credential, ...], tuple[str, ...]]:
    """Return the credentials, at least one, and the secret texts in them.

    Raises:
        InvalidRequest: something cannot work; `param` names the field.
    """
    region = read_region(options)
    credentials: list[Credential] = []
    secrets: list[str] = []
    for each in given or ({},):
        credential = read_credential(each, AwsCredential, _EXPECTED)
        secrets += [
            credential.api_key or "",
            credential.access_key_id or "",
            credential.secret_access_key or "",
            credential.session_token or "",
            credential.external_id or "",
        ]
        if credential.api_key is not None:
            credentials.append(_bearer(credential, options))
        else:
            source = key_source(_identity(region, options, credential), clock)
            credentials.append(SigV4Credential(source, region, bodies))
    role_arn = text_option(options, "role_arn")
    return tuple(credentials), (*secrets, role_arn or "", text_option(options, "external_id") or "")


def _bearer(credential: AwsCredential, options: Mapping[str, object]) -> Credential:
    """Return an API key: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html ."""
    others = (credential.access_key_id, credential.secret_access_key, credential.session_token)
    if any(each is not None for each in others) or credential.external_id is not None:
        raise InvalidRequest(
            "The credentials have both an API key and access keys.", param="credentials.api_key"
        )
    for name in AWS_OPTIONS[1:]:
        if options.get(name) is not None:
            raise InvalidRequest(
                f"The option '{name}' is for signed requests, and an API key is given.",
                param=f"options.{name}",
            )
    key = credential.api_key or ""
    check_header_value(key, "credentials.api_key", "The API key")
    return HeaderCredential(((b"authorization", f"Bearer {key}".encode()),))


def _identity(region: str, options: Mapping[str, object], credential: AwsCredential) -> AwsIdentity:
    keys = _keys(credential)
    source = _source(options, has_keys=keys is not None)
    profile = _matching(options, "profile", _PROFILE)
    role_arn = _matching(options, "role_arn", _ROLE_ARN)
    token_file = text_option(options, "web_identity_token_file")
    if (profile is not None) is not (source is AwsSource.PROFILE):
        raise InvalidRequest(
            "The option 'profile' and the credential_source 'profile' go together.",
            param="options.profile",
        )
    if token_file is not None and (source is not AwsSource.WEB_IDENTITY or role_arn is None):
        raise InvalidRequest(
            "A web_identity_token_file needs the credential_source 'web_identity' and a role_arn.",
            param="options.web_identity_token_file",
        )
    external_id = _external_id(options, credential)
    if external_id is not None and (role_arn is None or token_file is not None):
        raise InvalidRequest(
            "An external_id is sent when a role is assumed with keys; give a role_arn.",
            param="options.external_id",
        )
    return AwsIdentity(
        region=region,
        source=source,
        keys=keys,
        profile=profile,
        role_arn=role_arn,
        external_id=external_id,
        role_session_name=_matching(options, "role_session_name", _SESSION_NAME) or "thinkwatch",
        web_identity_token_file=token_file,
    )


def _source(options: Mapping[str, object], *, has_keys: bool) -> AwsSource:
    name = text_option(options, "credential_source")
    if has_keys:
        if name not in (None, AwsSource.STATIC):
            raise InvalidRequest(
                f"The credential_source is '{name}', and access keys are given.",
                param="options.credential_source",
            )
        return AwsSource.STATIC
    if name not in _SOURCES:
        raise InvalidRequest(
            "A provider of kind 'bedrock' needs an API key or access keys as its credentials, or "
            f"a credential_source: one of {', '.join(_SOURCES)}.",
            param="credentials" if name is None else "options.credential_source",
        )
    return AwsSource(name)


def _keys(credential: AwsCredential) -> AwsKeys | None:
    access_key, secret = credential.access_key_id, credential.secret_access_key
    if access_key is None and secret is None and credential.session_token is None:
        return None
    if access_key is None or secret is None:
        raise InvalidRequest(f"The credentials must be {_EXPECTED}.", param="credentials")
    if not _ACCESS_KEY.fullmatch(access_key):
        raise InvalidRequest(
            "The access_key_id must be 16 to 128 letters and digits.",
            param="credentials.access_key_id",
        )
    check_header_value(secret, "credentials.secret_access_key", "The secret_access_key")
    if credential.session_token is not None:
        check_header_value(
            credential.session_token, "credentials.session_token", "The session_token"
        )
    return AwsKeys(access_key, secret, credential.session_token)


def _external_id(options: Mapping[str, object], credential: AwsCredential) -> str | None:
    sealed, plain = credential.external_id, _matching(options, "external_id", _EXTERNAL_ID)
    if sealed is None:
        return plain
    if plain is not None or not _EXTERNAL_ID.fullmatch(sealed):
        raise InvalidRequest(
            "The external_id is given twice, or is not 2 to 1,224 of the characters AWS allows.",
            param="credentials.external_id",
        )
    return sealed


def _matching(options: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str | None:
    value = text_option(options, name)
    if value is not None and not pattern.fullmatch(value):
        raise InvalidRequest(
            f"The option '{name}' is not what AWS calls one.", param=f"options.{name}"
        )
    return value
