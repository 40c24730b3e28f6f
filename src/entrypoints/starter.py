"""The document a new installation starts with, made from what the environment offers."""

import time
from collections.abc import Mapping, Sequence

import httpx
import msgspec
import structlog
from msgspec import Struct

from domain.names import model_name_fault

DEMO = "demo"
OPENAI = "openai"
KEY_NAME = "quickstart"
_OPENAI_URL = "https://api.openai.com/v1"
_DISCOVERY_TIMEOUT_SECONDS = 3.0
_LARGEST_LISTING = 4 * 1024 * 1024
_MOST_MODELS = 300

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

log = structlog.get_logger(__name__)

Tree = dict[str, object]


class _ListedModel(Struct, frozen=True):
    id: str


class _Listing(Struct, frozen=True):
    data: tuple[_ListedModel, ...]


def starter_document(environ: Mapping[str, str], *, owner: str) -> Tree:
    """Return the whole document of a first start: providers, models, the owner, and a key."""
    openai = openai_document(environ)
    return {
        "version": 1,
        "providers": [{"name": DEMO, "kind": "demo"}, *_entries(openai, "providers")],
        "models": [
            _model(DEMO, DEMO, {"input": "0.15", "cache_read": "0.075", "output": "0.60"}),
            *_entries(openai, "models"),
        ],
        "users": [{"email": owner, "role": "super_admin"}],
        "keys": [{"name": KEY_NAME, "owner": owner, "surfaces": ["ai_gateway"]}],
    }


def openai_document(environ: Mapping[str, str]) -> Tree | None:
    """Return what `OPENAI_API_KEY` and its companions ask for, None when it is not set.

    `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` mean what they mean to the SDK. A
    server at another base URL is asked for its models; it may not answer, then the usual ones are
    configured only.
    """
    api_key = environ.get("OPENAI_API_KEY")
    if not api_key:
        return None
    provider: Tree = {"name": OPENAI, "kind": "openai", "credentials": {"api_key": api_key}}
    options = {
        name: environ[variable]
        for name, variable in (("organization", "OPENAI_ORG_ID"), ("project", "OPENAI_PROJECT_ID"))
        if environ.get(variable)
    }
    if options:
        provider["options"] = options
    models = {
        name: _model(name, OPENAI, {"input": fresh, "cache_read": cached, "output": output})
        for name, (fresh, cached, output) in _OPENAI_PRICES.items()
    }
    base_url = (environ.get("OPENAI_BASE_URL") or _OPENAI_URL).rstrip("/")
    if base_url != _OPENAI_URL:
        provider["base_url"] = base_url
        for name in _discovered(base_url, api_key):
            models.setdefault(name, _model(name, OPENAI, None))
    models.pop(DEMO, None)
    return {"version": 1, "providers": [provider], "models": list(models.values())}


def _model(name: str, provider: str, price: Mapping[str, str] | None) -> Tree:
    entry: Tree = {"name": name, "routes": [{"provider": provider, "upstream_model": name}]}
    if price is not None:
        entry["price"] = dict(price)
    return entry


def _entries(document: Tree | None, member: str) -> Sequence[object]:
    entries = (document or {}).get(member, [])
    assert isinstance(entries, list)
    return entries  # pyright: ignore[reportUnknownVariableType]


def _discovered(base_url: str, api_key: str) -> list[str]:
    """Ask a server in OpenAI's format for its models, bounded in time, size and number."""
    try:
        with (
            httpx.Client(timeout=_DISCOVERY_TIMEOUT_SECONDS, trust_env=False) as client,
            client.stream(
                "GET", f"{base_url}/models", headers={"authorization": f"Bearer {api_key}"}
            ) as answer,
        ):
            answer.raise_for_status()
            listing = msgspec.json.decode(_bounded_body(answer), type=_Listing)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        log.warning("models_not_listed", provider=OPENAI, error=type(error).__name__)
        return []
    usable = [model.id for model in listing.data if model_name_fault(model.id) is None]
    return usable[:_MOST_MODELS]


def _bounded_body(answer: httpx.Response) -> bytes:
    """Read a body of bounded size in bounded time. Raises `ValueError` beyond."""
    deadline = time.monotonic() + _DISCOVERY_TIMEOUT_SECONDS
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_LISTING or time.monotonic() > deadline:
            raise ValueError("the listing is too large or too slow")
    return bytes(body)
