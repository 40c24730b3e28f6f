"""Access keys of AWS from every source botocore knows.

botocore's own providers do the work: shared profiles (with all they can name: roles, single
sign-on, processes), STS roles with an external id, web identity tokens, container and instance
roles. Which one is asked is the operator's explicit choice: nothing is searched for, and the
metadata service of the machine is asked only where `instance` was chosen.
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from enum import StrEnum
from typing import Protocol, cast

from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.session import Session
from botocore.utils import FileWebIdentityTokenLoader
from msgspec import Struct

_STS = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
_ROLE = "assume-role"
_SESSION_NAME = "thinkwatch"


class AwsSource(StrEnum):
    """Where access keys come from."""

    STATIC = "static"
    PROFILE = "profile"
    ENVIRONMENT = "environment"
    WEB_IDENTITY = "web_identity"
    CONTAINER = "container"
    INSTANCE = "instance"


_NAMES_IN_BOTOCORE = {
    AwsSource.ENVIRONMENT: "env",
    AwsSource.WEB_IDENTITY: "assume-role-with-web-identity",
    AwsSource.CONTAINER: "container-role",
    AwsSource.INSTANCE: "iam-role",
}


class AwsKeys(Struct, frozen=True):
    """What requests are signed with."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        """Never the values."""
        return "AwsKeys(…)"


class AwsIdentity(Struct, frozen=True, kw_only=True):
    """Who signs, as configured.

    Attributes:
        keys: of the source `static`.
        profile: name in AWS's shared files; with the source `profile`.
        role_arn: with a `web_identity_token_file`, the role the token stands for; otherwise a role
            that is assumed with the keys of the source.
        external_id: a secret between the role's owner and us, sent when it is assumed.
        web_identity_token_file: path of the token; without it, AWS's environment variables say.
    """

    region: str
    source: AwsSource
    keys: AwsKeys | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    role_session_name: str = _SESSION_NAME
    web_identity_token_file: str | None = None


class Frozen(Protocol):
    """The keys of one moment, as botocore holds them."""

    access_key: str | None
    secret_key: str | None
    token: str | None


class Loaded(Protocol):
    """botocore's credentials. Those that expire have a `refresh_needed` too."""

    def get_frozen_credentials(self) -> Frozen | None:
        """Return the keys, renewed first where they have to be; blocks."""
        ...


class _Resolver(Protocol):
    def get_provider(self, name: str) -> "_Provider":
        """Return one of botocore's providers of credentials."""
        ...


class _Provider(Protocol):
    def load(self) -> object:
        """Return credentials, None when there are none."""
        ...


def load(identity: AwsIdentity) -> Loaded | None:
    """Return botocore's credentials for `identity`; None when its source has none. Blocks.

    Raises:
        BotoCoreError, ClientError, OSError, …: whatever botocore raises.
    """
    session = Session(profile=identity.profile)
    clients = _Clients(session, identity.region)
    if identity.web_identity_token_file is not None:
        return _by_web_identity(identity, identity.web_identity_token_file, clients)
    source = _of_source(identity, session)
    if identity.role_arn is None or source is None:
        return source
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=clients,
        source_credentials=source,
        role_arn=identity.role_arn,
        extra_args=_role_arguments(identity),
    )
    return cast("Loaded", DeferredRefreshableCredentials(fetcher.fetch_credentials, _ROLE))


def _of_source(identity: AwsIdentity, session: Session) -> Loaded | None:
    if identity.keys is not None:
        keys = identity.keys
        found: object = Credentials(keys.access_key, keys.secret_key, keys.token)
    elif identity.source is AwsSource.PROFILE:
        found = cast("object", session.get_credentials())
    else:
        resolver = cast("_Resolver", session.get_component("credential_provider"))
        found = resolver.get_provider(_NAMES_IN_BOTOCORE[identity.source]).load()
    return cast("Loaded | None", found)


def _by_web_identity(identity: AwsIdentity, path: str, clients: "_Clients") -> Loaded:
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=clients,
        web_identity_token_loader=FileWebIdentityTokenLoader(path),
        role_arn=identity.role_arn,
        extra_args=_role_arguments(identity),
    )
    return cast("Loaded", DeferredRefreshableCredentials(fetcher.fetch_credentials, _ROLE))


def _role_arguments(identity: AwsIdentity) -> dict[str, str]:
    arguments = {"RoleSessionName": identity.role_session_name}
    if identity.external_id is not None:
        arguments["ExternalId"] = identity.external_id
    return arguments


class _Clients:
    """Makes botocore's clients of STS, with bounds on every wait."""

    def __init__(self, session: Session, region: str) -> None:
        self._session = session
        self._region = region

    def __call__(
        self,
        service: str,
        *,
        config: Config | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
    ) -> object:
        return self._session.create_client(
            service,
            region_name=self._region,
            config=_STS if config is None else _STS.merge(config),
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
        )
