"""Configured providers as they really answer: a connection test, and the models they offer."""

import asyncio

import msgspec
from msgspec import Struct

from application.console.catalog.providers import existing_provider
from application.ports.clock import Clock, IdGenerator
from application.ports.dialect import NOT_IN_URL, DialectCodec
from application.ports.provider import Provider, ProviderCall, ProviderFactory, RemoteModel
from application.ports.unit_of_work import UnitOfWork
from application.ports.upstream import UpstreamTimeouts
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import (
    DomainError,
    InvalidRequest,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.catalog import ProviderSpec

# Together below what the command line waits for an answer of the console.
LISTING = UpstreamTimeouts(connect=5.0, first_byte=8.0, idle=5.0, total=10.0)
CALLING = UpstreamTimeouts(connect=5.0, first_byte=14.0, idle=5.0, total=15.0)
_OUTPUT_BOUND = 16
"""The fewest tokens that every API accepts as a bound."""
_MOST_MODELS_ASKED = 3
"""One may be gone, or not be open to this account."""
_MOST_REPLY_BYTES = 1024 * 1024
_MOST_DEPTH = 64
# A refusal says little about what else works: keys may be restricted to conversations, accounts to
# some models.
_OF_THIS_ONLY = (UnsupportedField, UpstreamCredentialRejected, UpstreamRejected)


class ListedModel(Struct, frozen=True):
    """A model a provider offers: the id a route names, and a name for people (may be empty)."""

    id: str
    name: str


class ModelsOffered(Struct, frozen=True, kw_only=True):
    """What a provider offers to its credentials."""

    provider: str
    models: tuple[ListedModel, ...]


class ProviderFault(Struct, frozen=True, kw_only=True):
    """Why a test failed.

    Attributes:
        status: HTTP status of the provider, None when there was none.
        mend: what to do about it.
    """

    code: str
    message: str
    status: int | None
    mend: str


class ProviderTest(Struct, frozen=True, kw_only=True):
    """What a test found out.

    Attributes:
        latency_ms: of the whole test, connecting included.
        asked: what was asked for in the end: `models`, or the name of a model that was called.
        models: what the provider lists; empty when it lists nothing.
        error: None when `ok`.
    """

    provider: str
    ok: bool
    latency_ms: float
    asked: str
    models: tuple[ListedModel, ...] = ()
    error: ProviderFault | None = None


class InspectProviders:
    """Asks providers with their stored configuration, on connections made for the purpose."""

    def __init__(
        self,
        uow: UnitOfWork,
        factory: ProviderFactory,
        codec: DialectCodec,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        """`codec` is OpenAI's Chat Completions, in which the test call is written."""
        self._uow = uow
        self._factory = factory
        self._codec = codec
        self._clock = clock
        self._ids = ids

    async def models(self, by: Actor, reference: str) -> ModelsOffered:
        """Return the models of the provider of that id or name.

        Raises:
            PermissionDenied
            NotFound: there is no such provider.
            InvalidRequest: its configuration cannot work.
            UnsupportedField: it offers no list.
            UpstreamFailure: it could not be asked.
        """
        by.require(Permission.PROVIDERS_TEST)
        spec, _ = await self._find(reference)
        provider = self._factory.build(spec)
        try:
            found = await provider.models(LISTING)
        finally:
            await provider.aclose()
        return ModelsOffered(provider=spec.name, models=_shown(found))

    async def test(self, by: Actor, reference: str) -> ProviderTest:
        """Ask for the list of models, and where that is not to be had, for a word of a model.

        The first few models with a route to it are asked, until one answers.

        Raises:
            PermissionDenied
            NotFound: there is no such provider.
        """
        by.require(Permission.PROVIDERS_TEST)
        spec, routed = await self._find(reference)
        started = self._clock.monotonic()
        asked, found, failure = "models", (), None
        try:
            provider = self._factory.build(spec)
        except InvalidRequest as error:
            failure = error
        else:
            try:
                found = await provider.models(LISTING)
            except (UnsupportedField, UpstreamFailure) as error:
                failure = error
                if isinstance(error, _OF_THIS_ONLY) and routed:
                    asked, failure = await self._call_one_of(provider, routed)
            finally:
                await provider.aclose()
        return ProviderTest(
            provider=spec.name,
            ok=failure is None,
            latency_ms=round((self._clock.monotonic() - started) * 1000, 1),
            asked=asked,
            models=_shown(found),
            error=_fault(failure) if failure is not None else None,
        )

    async def _find(self, reference: str) -> tuple[ProviderSpec, tuple[str, ...]]:
        """Return the provider, and the first models that are routed to it."""
        async with self._uow.begin() as tx:
            spec = await existing_provider(tx, reference)
            routed = [
                route.upstream_model
                for model in await tx.models.all()
                for route in model.routes
                if route.provider_id == spec.id and route.enabled and model.enabled
            ]
            return spec, tuple(dict.fromkeys(routed))[:_MOST_MODELS_ASKED]

    async def _call_one_of(
        self, provider: Provider, upstream_models: tuple[str, ...]
    ) -> tuple[str, DomainError | None]:
        """Return the model that was asked last, and its failure."""
        asked, failure = "", None
        try:
            async with asyncio.timeout(CALLING.total):
                for asked in upstream_models:
                    failure = await self._call(provider, asked)
                    if not isinstance(failure, _OF_THIS_ONLY):
                        break
        except TimeoutError:
            failure = UpstreamTimeout("total")
        return asked, failure

    async def _call(self, provider: Provider, upstream_model: str) -> DomainError | None:
        message = {"role": "user", "content": "Say hi."}
        body = msgspec.json.encode({"model": upstream_model, "messages": [message]})
        try:
            reply = await provider.open(
                ProviderCall(
                    codec=self._codec,
                    body=body,
                    head=self._codec.peek(body, _MOST_DEPTH, NOT_IN_URL),
                    upstream_model=upstream_model,
                    request_id=self._ids.new_id(),
                    reply_id=self._ids.new_id(),
                    created_s=self._clock.now_ms() // 1000,
                    timeouts=CALLING,
                    max_reply_bytes=_MOST_REPLY_BYTES,
                    output_bound=_OUTPUT_BOUND,
                )
            )
            try:
                async for chunk in reply.chunks():
                    reply.scanner.feed(chunk)
                reply.scanner.finish()
            finally:
                await reply.aclose()
        except (InvalidRequest, UpstreamFailure) as error:
            return error
        return None


def _shown(models: tuple[RemoteModel, ...]) -> tuple[ListedModel, ...]:
    return tuple(ListedModel(model.id, model.name) for model in models)


def _fault(error: DomainError) -> ProviderFault:
    status = getattr(error, "status", None)
    return ProviderFault(
        code=error.code,
        message=error.message,
        status=status if isinstance(status, int) else None,
        mend=_mend(error),
    )


_MENDS: tuple[tuple[type[DomainError], str], ...] = (
    (
        UpstreamCredentialRejected,
        "apply new credentials, or give these the right to call models",
    ),
    (UpstreamRateLimited, "wait, or raise the quota at the provider"),
    (
        UnsupportedField,
        "check the base_url; if it is right, give a model a route to this provider: it is asked then",
    ),
    (InvalidRequest, "correct it and apply the document again"),
    (UpstreamRejected, "check the base_url, the options, and the upstream_model of the routes"),
    (UpstreamUnavailable, "try again; if it stays, ask the provider"),
    (UpstreamTimeout, "try again; if it stays, ask the provider"),
    (DomainError, "check that the base_url is that of the API and not of a web page"),
)
_UNREACHED = (
    "check the base_url, the proxy and ca_pem; a private address must be in "
    "UPSTREAM_ALLOWED_NETWORKS"
)


def _mend(error: DomainError) -> str:
    """Return what to do, for whoever configured the provider."""
    if isinstance(error, UpstreamUnavailable) and error.error_class == "connect":
        return _UNREACHED
    return next(mend for kind, mend in _MENDS if isinstance(error, kind))
