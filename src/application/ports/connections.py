"""How a pool of connections to a store is used."""

from msgspec import Struct


class PoolUse(Struct, frozen=True, kw_only=True):
    """Connections of this process. `most` is where further ones have to wait, None: no bound."""

    in_use: int
    idle: int
    most: int | None
