"""Models a caller may use."""

from collections.abc import Sequence

from application.gateway.authenticate import Authenticator
from application.runtime.snapshot import CurrentSnapshot
from domain.errors import ModelNotFound
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller
from domain.routing.catalog import Model


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
                for model in catalog.models.values()
                if self._visible(model, caller) and catalog.routes_of(model)
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
    def _visible(model: Model, caller: Caller) -> bool:
        return model.enabled and caller.may_use(model.name)
