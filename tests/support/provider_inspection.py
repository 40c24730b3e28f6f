"""The console's use case about providers, on stores of a test."""

from adapters.providers.factory import ProvidersByKind
from adapters.system.identifiers import UuidGenerator
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.console.providers import InspectProviders
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.routing.address_policy import AddressPolicy
from tests.support.provider_calls import cipher

_OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))


def provider_inspection(uow: UnitOfWork, clock: Clock) -> InspectProviders:
    """Return it, with connections to this machine only."""
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: Http11Transport(_OPTIONS), clock)
    return InspectProviders(uow, factory, OpenAIChatCodec(), clock, UuidGenerator())
