"""Providers whose credentials are in the environment, under the names their vendors' SDKs use."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from domain.keys.secret import PREFIX

Tree = dict[str, object]

# What is asked for when a provider is not asked for its list. Enough to start with.
_ANTHROPIC_MODELS = (
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
)
_GEMINI_MODELS = ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-3.5-flash")
_BEDROCK_MODELS = {
    "claude-sonnet-5-5": "global.anthropic.claude-sonnet-5-5",
    "claude-haiku-5-5": "global.anthropic.claude-haiku-5-5",
    "nova-2-lite": "global.amazon.nova-2-lite-v1:0",
}
# USD per million tokens: (input, cached input, output). Enough to start with; what is in force is
# what the price list of the installation says.
_OPENAI_PRICES: Mapping[str, tuple[str, str, str]] = {
    "gpt-4.1": ("2.00", "0.50", "8.00"),
    "gpt-4.1-mini": ("0.40", "0.10", "1.60"),
    "gpt-4.1-nano": ("0.10", "0.025", "0.40"),
    "gpt-4o": ("2.50", "1.25", "10.00"),
    "gpt-4o-mini": ("0.15", "0.075", "0.60"),
    "gpt-5": ("1.25", "0.125", "10.00"),
    "gpt-5-mini": ("0.25", "0.025", "2.00"),
    "gpt-5-nano": ("0.05", "0.005", "0.40"),
    "o3": ("2.00", "0.50", "8.00"),
    "o4-mini": ("1.10", "0.275", "4.40"),
}
_OPENAI_URL = "https://api.openai.com/v1"
_AZURE_VERSION = re.compile(r"v1|preview|20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:-preview)?")


class UsualModel(Struct, frozen=True, kw_only=True):
    """A model to start with; `price` as in a document, None when it is not known here."""

    name: str
    upstream_model: str
    price: Mapping[str, str] | None = None


class FoundProvider(Struct, frozen=True, kw_only=True):
    """A provider the environment asks for.

    Attributes:
        entry: as in a document, credentials included.
        secrets: texts of the entry that must never be shown.
        elsewhere: it is at another URL than its vendor's, so its models may be others.
    """

    name: str
    entry: Tree
    models: tuple[UsualModel, ...]
    secrets: frozenset[str]
    elsewhere: bool = False

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"FoundProvider({self.name})"


def found_providers(environ: Mapping[str, str]) -> tuple[FoundProvider, ...]:
    """Return what the environment asks for, in a fixed order; empty variables count as unset.

    Keys of this program itself do not count: they are in shells in which clients of it run.
    """
    usable = {
        name: value.strip()
        for name, value in environ.items()
        if value.strip() and not value.startswith(PREFIX)
    }
    return tuple(found for look in _LOOKS if (found := look(usable)) is not None)


def _openai(environ: Mapping[str, str]) -> FoundProvider | None:
    """`OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` mean what the SDK means by them."""
    key = environ.get("OPENAI_API_KEY")
    if key is None:
        return None
    base_url = environ.get("OPENAI_BASE_URL", _OPENAI_URL).rstrip("/")
    options = _given(environ, {"organization": "OPENAI_ORG_ID", "project": "OPENAI_PROJECT_ID"})
    return _found(
        "openai",
        "openai",
        {"api_key": key},
        base_url=None if base_url == _OPENAI_URL else base_url,
        options=options,
        models=tuple(
            UsualModel(
                name=name,
                upstream_model=name,
                price={"input": fresh, "cache_read": cached, "output": output},
            )
            for name, (fresh, cached, output) in _OPENAI_PRICES.items()
        ),
    )


def _anthropic(environ: Mapping[str, str]) -> FoundProvider | None:
    key = environ.get("ANTHROPIC_API_KEY")
    if key is None:
        return None
    base_url = environ.get("ANTHROPIC_BASE_URL")
    models = _same_names(_ANTHROPIC_MODELS)
    return _found("anthropic", "anthropic", {"api_key": key}, base_url=base_url, models=models)


def _gemini(environ: Mapping[str, str]) -> FoundProvider | None:
    """`GOOGLE_API_KEY` wins, as in the SDK."""
    key = environ.get("GOOGLE_API_KEY") or environ.get("GEMINI_API_KEY")
    if key is None:
        return None
    base_url = environ.get("GOOGLE_GEMINI_BASE_URL") or environ.get("GEMINI_BASE_URL")
    models = _same_names(_GEMINI_MODELS)
    return _found("gemini", "gemini", {"api_key": key}, base_url=base_url, models=models)


def _azure(environ: Mapping[str, str]) -> FoundProvider | None:
    """What deployments there are, nobody tells; one may be named."""
    key = environ.get("AZURE_OPENAI_API_KEY")
    endpoint = environ.get("AZURE_OPENAI_BASE_URL") or environ.get("AZURE_OPENAI_ENDPOINT")
    if key is None or endpoint is None:
        return None
    options: Tree = {}
    version = environ.get("AZURE_OPENAI_API_VERSION") or environ.get("OPENAI_API_VERSION")
    if version is not None and _AZURE_VERSION.fullmatch(version):
        options["api_version"] = version
    deployment = environ.get("AZURE_OPENAI_DEPLOYMENT") or environ.get(
        "AZURE_OPENAI_DEPLOYMENT_NAME"
    )
    found = _found(
        "azure-openai",
        "azure_openai",
        {"api_key": key},
        base_url=endpoint,
        options=options,
        models=_same_names((deployment,) if deployment is not None else ()),
    )
    # Its list is of what could be deployed, so there is nothing to be asked.
    return FoundProvider(
        name=found.name, entry=found.entry, models=found.models, secrets=found.secrets
    )


def _bedrock(environ: Mapping[str, str]) -> FoundProvider | None:
    """Temporary keys stay in the environment, from where they are read again; others are stored."""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    bearer = environ.get("AWS_BEARER_TOKEN_BEDROCK")
    access_key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if region is None:
        return None
    options: Tree = {"region": region}
    credentials: Tree
    if bearer is not None:
        credentials = {"api_key": bearer}
    elif access_key is None or secret is None:
        return None
    elif "AWS_SESSION_TOKEN" in environ:
        credentials = {}
        options["credential_source"] = "environment"
    else:
        credentials = {"access_key_id": access_key, "secret_access_key": secret}
    control_url = environ.get("AWS_ENDPOINT_URL_BEDROCK") or environ.get("BEDROCK_CONTROL_URL")
    if control_url is not None:
        options["control_url"] = control_url
    return _found(
        "bedrock",
        "bedrock",
        credentials,
        base_url=environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or environ.get("BEDROCK_BASE_URL"),
        options=options,
        models=tuple(
            UsualModel(name=name, upstream_model=upstream)
            for name, upstream in _BEDROCK_MODELS.items()
        ),
    )


_LOOKS: tuple[Callable[[Mapping[str, str]], FoundProvider | None], ...] = (
    _openai,
    _anthropic,
    _gemini,
    _azure,
    _bedrock,
)


def _found(
    name: str,
    kind: str,
    credentials: Tree,
    *,
    base_url: str | None,
    models: tuple[UsualModel, ...],
    options: Tree | None = None,
) -> FoundProvider:
    entry: Tree = {"name": name, "kind": kind}
    if base_url is not None:
        entry["base_url"] = base_url
    if credentials:
        entry["credentials"] = credentials
    if options:
        entry["options"] = options
    return FoundProvider(
        name=name,
        entry=entry,
        models=models,
        secrets=frozenset(str(value) for value in credentials.values()),
        elsewhere=base_url is not None,
    )


def _given(environ: Mapping[str, str], variables: Mapping[str, str]) -> Tree:
    return {
        option: environ[variable] for option, variable in variables.items() if variable in environ
    }


def _same_names(models: tuple[str, ...]) -> tuple[UsualModel, ...]:
    return tuple(UsualModel(name=name, upstream_model=name) for name in models)
