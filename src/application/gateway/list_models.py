"""Models a caller may use."""

from collections.abc import Iterator, Sequence

from msgspec import structs

from application.gateway.authenticate import Authenticator
from application.runtime.snapshot import CurrentSnapshot
from domain.errors import ModelNotAllowed, ModelNotFound
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller
from domain.routing.catalog import Catalog, Model
from domain.routing.naming import model_for


class ListModels:
    """The catalogue as one key sees it."""

    def __init__(self, runtime: CurrentSnapshot, keys: Authenticator) -> None:
        """Both are shared by every request of the process."""
        self._runtime = runtime
        self._keys = keys

    async def all(self, credentials: Sequence[str], client_ip: str) -> list[Model]:
        """Return the usable models by name. Raises like `Authenticator.authenticate`."""
        caller = await self._keys.authenticate(credentials, Surface.AI_GATEWAY, client_ip)
        catalog = self._runtime.get().catalog
        return sorted(
            (
                model
                for model in (*self._visible(catalog, caller), *_aliased(catalog, caller))
                if catalog.routes_of(model)
            ),
            key=lambda model: model.name,
        )

    async def one(self, credentials: Sequence[str], client_ip: str, name: str) -> Model:
        """Return one usable model.

        Raises:
            ModelNotFound: there is none of that name, or this caller may not use it.
        """
        for model in await self.all(credentials, client_ip):
            if model.name == name:
                return model
        raise ModelNotFound(name)

    @staticmethod
    def _visible(catalog: Catalog, caller: Caller) -> list[Model]:
        return [
            model
            for model in catalog.models.values()
            if model.enabled and caller.may_use(model.name)
        ]


def _aliased(catalog: Catalog, caller: Caller) -> Iterator[Model]:
    """Return models under the other names by which this caller may ask for them."""
    for alias in catalog.aliases:
        try:
            model = model_for(catalog, alias, caller.may_use, guess_by_prefix=False)
        except (ModelNotFound, ModelNotAllowed):
            continue
        if model.name != alias:
            yield structs.replace(model, name=alias)
