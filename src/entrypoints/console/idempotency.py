"""`Idempotency-Key` on routes that create something."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar, cast

import msgspec
from litestar.params import HeaderParameter
from litestar.response import Response

from application.console.idempotency import IdempotentRequests
from application.ports.idempotency import KeptAnswer
from domain.access.actor import Actor
from entrypoints.console.answers import answer

T = TypeVar("T")

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description=(
            "With the same key and content, a request is carried out once within 24 hours; later "
            "ones get its answer with `Idempotency-Replayed: true`, or 409 while it runs. 409 also "
            "when the content is another."
        ),
    ),
]


def asked_by(by: Actor, operation: str) -> str:
    """Return the name of an operation of one actor: nobody gets the answer of somebody else."""
    return f"{operation} by {by.kind}:{by.id}"


async def once(
    requests: IdempotentRequests,
    key: str | None,
    operation: str,
    data: msgspec.Struct,
    work: Callable[[], Awaitable[Response[T]]],
    *,
    kept: Callable[[bytes], bytes] = bytes,
) -> Response[T]:
    """Answer with `work`, or what it answered to the first request with this key.

    `kept` returns what is kept of the answer's body, for one with something that is told once.
    """
    if key is None:
        return await work()
    told: list[Response[T]] = []

    async def answered() -> KeptAnswer:
        made = await work()
        told.append(made)
        return KeptAnswer(
            status=made.status_code or 201,
            body=kept(cast("bytes", made.content)),
            headers={name: str(text) for name, text in made.headers.items()},
        )

    answer, replayed = await requests.once(key, operation, msgspec.json.encode(data), answered)
    if told:
        return told[0]
    headers = {**answer.headers, **({"Idempotency-Replayed": "true"} if replayed else {})}
    return Response(
        cast("T", answer.body),
        status_code=answer.status,
        media_type="application/json",
        headers=headers,
    )


async def once_with_secret(
    requests: IdempotentRequests,
    key: str | None,
    operation: str,
    data: msgspec.Struct,
    work: Callable[[], Awaitable[T]],
    *,
    shown_again: Callable[[T], T],
    location: Callable[[T], str],
) -> Response[T]:
    """Answer 201 with what `work` made; a repeated answer is without the secret in it.

    The kept answer stands in the database: `shown_again` takes the secret out of it. For the same
    reason `data` must not have one.
    """
    made: list[T] = []

    async def shown() -> Response[T]:
        made.append(await work())
        return answer(shown_again(made[0]), status=201, location=location(made[0]))

    if key is None:
        first = await work()
        return answer(first, status=201, location=location(first))
    kept = await once(requests, key, operation, data, shown)
    return answer(made[0], status=201, location=location(made[0])) if made else kept
