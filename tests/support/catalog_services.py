"""The console's use cases about the catalogue, on stores of a test."""

from adapters.providers.factory import ProvidersByKind
from adapters.system.identifiers import UuidGenerator
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.console.catalog.models import ManageModels
from application.console.catalog.prices import ManagePrices
from application.console.catalog.providers import ManageProviders
from application.console.catalog.routes import ManageRoutes
from application.console.configuration.credentials import ProviderCredentials
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.routing.address_policy import AddressPolicy
from entrypoints.console.services import CatalogServices
from tests.support.provider_calls import cipher

_OPTIONS = TransportOptions(address_policy=AddressPolicy.allowing(["127.0.0.0/8"]))


def catalog_services(uow: UnitOfWork, clock: Clock) -> CatalogServices:
    """Return them; nothing is called by them."""
    ids = UuidGenerator()
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: Http11Transport(_OPTIONS), clock)
    return CatalogServices(
        providers=ManageProviders(uow, ProviderCredentials(cipher(), factory), clock, ids),
        models=ManageModels(uow, clock, ids),
        routes=ManageRoutes(uow, ids),
        prices=ManagePrices(uow, clock, ids),
    )
