"""Which server owns the hot keys: a fixed one, the master of a service, or a node of a cluster."""

from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import parse_qsl, urlsplit

from msgspec import structs
from redis.crc import key_slot

from adapters.redis.endpoint import Endpoint, endpoint, endpoints
from adapters.redis.link import CommandRefused, Reply, dial
from domain.errors import LimitStoreUnavailable
from domain.secret import Secret

# All keys of the limit store carry it, so that one script may touch them on a cluster.
HASH_TAG = "{tw}"
_SLOT = key_slot(HASH_TAG.encode())
_TIMEOUT_S = 0.5

Resolve = Callable[[], Awaitable[Endpoint]]


def resolver(url: str) -> Resolve:
    """Return what finds, afresh at every call, the server behind `url` that owns `HASH_TAG`.

    `redis://`, `rediss://` and `unix://` name it; `redis+cluster://a:6379,b:6379` names some nodes;
    `redis+sentinel://a:26379,b:26379/service/0` names sentinels; `rediss+…` for TLS. A user and
    password are the server's; the options `sentinel_username` and `sentinel_password` are for the
    sentinels.

    The resolver raises `LimitStoreUnavailable`.

    Raises:
        ValueError: not a usable URL.
    """
    kind = urlsplit(url).scheme.partition("+")[2]
    if kind == "cluster":
        return _in_cluster(endpoints(url))
    if kind == "sentinel":
        service, _, db = urlsplit(url).path.strip("/").partition("/")
        if not service:
            raise ValueError("a redis+sentinel URL needs a service name: …/mymaster/0")
        servers = endpoints(url)
        query = dict(parse_qsl(urlsplit(url).query))
        password = query.get("sentinel_password")
        own = {
            "username": query.get("sentinel_username"),
            "password": None if password is None else Secret(password),
        }
        sentinels = [structs.replace(each, **own) for each in servers]
        master = structs.replace(servers[0], db=int(db or 0))
        return _by_sentinels(sentinels, service, master)
    fixed = endpoint(url)

    async def resolve() -> Endpoint:
        return fixed

    return resolve


def _in_cluster(seeds: list[Endpoint]) -> Resolve:
    known = list(seeds)

    async def resolve() -> Endpoint:
        failures: list[str] = []
        for _ in range(len(known)):
            node = _next(known)
            try:
                slots = cast("list[list[Reply]]", await _ask(node, "CLUSTER", "SLOTS"))
            except LimitStoreUnavailable as error:
                failures.append(error.detail)
                continue
            primaries = [_address(node, primary) for _, _, primary, *_ in slots]
            known[:] = dict.fromkeys([*primaries, *seeds])
            for primary, (first, last, *_) in zip(primaries, slots, strict=True):
                if cast("int", first) <= _SLOT <= cast("int", last):
                    return primary
            failures.append(f"{node}: nobody owns slot {_SLOT}")
        raise LimitStoreUnavailable("; ".join(failures))

    return resolve


def _by_sentinels(sentinels: list[Endpoint], service: str, master: Endpoint) -> Resolve:
    async def resolve() -> Endpoint:
        failures: list[str] = []
        for _ in range(len(sentinels)):
            sentinel = _next(sentinels)
            try:
                found = await _ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
            except LimitStoreUnavailable as error:
                failures.append(error.detail)
                continue
            if found is None:
                failures.append(f"{sentinel} does not know the service '{service}'")
                continue
            named = _address(sentinel, found)
            return structs.replace(master, host=named.host, port=named.port)
        raise LimitStoreUnavailable("; ".join(failures))

    return resolve


def _next(nodes: list[Endpoint]) -> Endpoint:
    """Return the node whose turn it is, and send it to the end.

    A caller's patience may end while a node is silent; the next caller then asks another one.
    """
    nodes.append(nodes.pop(0))
    return nodes[-1]


async def _ask(node: Endpoint, *command: str) -> Reply:
    link = await dial(node, connect_timeout_s=_TIMEOUT_S, timeout_s=_TIMEOUT_S)
    try:
        return await link.call(*command)
    except CommandRefused as error:
        raise LimitStoreUnavailable(f"{node}: {error}") from None
    finally:
        link.fail("the question is answered")


def _address(asked: Endpoint, found: Reply) -> Endpoint:
    """Return the node `[host, port, …]`, with the credentials and TLS of the node that named it.

    An empty host stands for the one that was asked.
    """
    host, port = cast("list[Reply]", found)[:2]
    name = cast("bytes", host or b"").decode() or asked.host
    return structs.replace(asked, host=name, port=int(cast("bytes | int", port)), path=None)
