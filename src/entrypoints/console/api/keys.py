"""`/api/keys` (console.md sections 1 and 4)."""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Response
from msgspec import Struct, structs

from application.console.key_collection import KeyCollection, KeyQuestion, KeyRow
from application.console.key_documents import IssuedKeyView, KeyEntry, KeyPatch, KeyView
from application.ports.key_listing import Condition
from application.resources import Outcome, Page
from domain.inference.dialect import Surface
from entrypoints.console.answers import IfMatch, answer, expected, versioned
from entrypoints.console.bulk import Refusals, note_refused_rows
from entrypoints.console.security import By

# A parameter of this name is the framework's own.
_StateQuery = Annotated[Condition | None, QueryParameter(name="state")]


class KeyPage(Page[KeyView], frozen=True):
    """Some keys, oldest first; `next_cursor` is null on the last page."""


class KeyRows(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 500 acts."""

    items: tuple[KeyRow, ...]


class KeyOutcome(Outcome[IssuedKeyView], frozen=True, kw_only=True):
    """What became of one row; `secret` is there for keys that were rotated."""


class KeyOutcomes(Struct, frozen=True):
    """An outcome per row, in their order; `failed` counts those that failed."""

    items: tuple[KeyOutcome, ...]
    failed: int
    dry_run: bool


class KeyRemoval(Struct, frozen=True):
    """The key as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: KeyView


class KeyRevocation(Struct, frozen=True):
    """The key as it is, or would be after a dry run, for which `revoked` is false."""

    revoked: bool
    item: KeyView


class KeyPurge(Struct, frozen=True):
    """The removed line of keys; `purged` is false for a dry run."""

    purged: bool
    lineage_id: str
    name: str


class RotationRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the old secret still works, e.g. `7d` (30 days at most); `0` ends it at once."""

    grace: str = "1d"


def key_routes(keys: KeyCollection) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/keys", operation_id="list_keys", tags=["keys"])
    async def list_keys(
        by: By,
        *,
        limit: FromQuery[int] = 50,
        cursor: FromQuery[str | None] = None,
        owner: FromQuery[str | None] = None,
        team: FromQuery[str | None] = None,
        condition: _StateQuery = None,
        surface: FromQuery[Surface | None] = None,
        text: FromQuery[str | None] = None,
        expires_within: FromQuery[str | None] = None,
        unused_for: FromQuery[str | None] = None,
        removed: FromQuery[bool] = False,
    ) -> Response[KeyPage]:
        """List the keys one may see, oldest first.

        `owner` and `team` take names or ids, `text` a part of name, prefix or owner, and
        `expires_within` and `unused_for` durations such as `14d`. `removed` lists what can be
        restored.
        """
        asked = KeyQuestion(
            owner=owner,
            team=team,
            state=condition,
            surface=surface,
            text=text,
            expires_within=expires_within,
            unused_for=unused_for,
            removed=removed,
        )
        page = await keys.page(by, asked, limit=limit, cursor=cursor)
        return answer(KeyPage(page.items, page.next_cursor, page.total))

    @post("/api/keys", operation_id="create_key", tags=["keys"])
    async def create_key(by: By, data: JSONBody[KeyEntry]) -> Response[IssuedKeyView]:
        """Create a key and tell its secret, once.

        A replay by `Idempotency-Key` has null in its place: secrets are not stored.
        """
        made = await keys.create(by, data)
        return versioned(made, status=201, location=f"/api/keys/{made.view.id}")

    @post("/api/keys/bulk", operation_id="change_keys", tags=["keys"], status_code=200)
    async def change_keys(
        by: By, refusals: Refusals, data: JSONBody[KeyRows], *, dry_run: FromQuery[bool] = False
    ) -> Response[KeyOutcomes]:
        """Rotate, revoke and delete many, each on its own, with an outcome per row."""
        outcomes = await keys.bulk(by, data.items, dry_run=dry_run)
        note_refused_rows(refusals, outcomes)
        items = tuple(KeyOutcome(**structs.asdict(each)) for each in outcomes)
        failed = sum(each.status == "failed" for each in items)
        return answer(KeyOutcomes(items, failed, dry_run))

    @get("/api/keys/{key_id:str}", operation_id="get_key", tags=["keys"])
    async def get_key(by: By, key_id: FromPath[str]) -> Response[KeyView]:
        """Return one key with its ETag."""
        return versioned(await keys.find(by, key_id))

    return [
        list_keys,
        create_key,
        change_keys,
        get_key,
        *_single_key_routes(keys),
        *_ending_routes(keys),
    ]


def _single_key_routes(keys: KeyCollection) -> list[HTTPRouteHandler]:
    @patch("/api/keys/{key_id:str}", operation_id="update_key", tags=["keys"])
    async def update_key(
        by: By, key_id: FromPath[str], data: JSONBody[KeyPatch], if_match: IfMatch = None
    ) -> Response[KeyView]:
        """Merge into a key (RFC 7396): absent members stay, null goes back to the default."""
        return versioned(await keys.update(by, key_id, data, if_match=expected(if_match)))

    @post("/api/keys/{key_id:str}/rotate", operation_id="rotate_key", tags=["keys"])
    async def rotate_key(
        by: By,
        key_id: FromPath[str],
        data: JSONBody[RotationRequest],
        *,
        dry_run: FromQuery[bool] = False,
    ) -> Response[IssuedKeyView]:
        """Give a key a new secret and tell it, once; the old one works until its grace ends.

        The answer is the successor, which has an id of its own. A replay by `Idempotency-Key` has
        null in place of the secret.
        """
        made = await keys.rotate(by, key_id, grace=data.grace, dry_run=dry_run)
        where = None if dry_run else f"/api/keys/{made.view.id}"
        return versioned(made, status=200 if dry_run else 201, location=where)

    return [update_key, rotate_key]


def _ending_routes(keys: KeyCollection) -> list[HTTPRouteHandler]:
    @post(
        "/api/keys/{key_id:str}/revoke", operation_id="revoke_key", tags=["keys"], status_code=200
    )
    async def revoke_key(
        by: By, key_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[KeyRevocation]:
        """End a key and its predecessors for good, or (`dry_run`) say what would be."""
        ended = await keys.revoke(by, key_id, dry_run=dry_run)
        return answer(KeyRevocation(not dry_run, ended.view))

    @delete("/api/keys/{key_id:str}", operation_id="delete_key", tags=["keys"], status_code=200)
    async def delete_key(
        by: By,
        key_id: FromPath[str],
        *,
        dry_run: FromQuery[bool] = False,
        if_match: IfMatch = None,
    ) -> Response[KeyRemoval]:
        """Delete a key with its predecessors; it can be restored for 30 days."""
        gone = await keys.delete(by, key_id, if_match=expected(if_match), dry_run=dry_run)
        return answer(KeyRemoval(not dry_run, gone.view))

    @post(
        "/api/keys/{lineage_id:str}/restore",
        operation_id="restore_key",
        tags=["keys"],
        status_code=200,
    )
    async def restore_key(by: By, lineage_id: FromPath[str]) -> Response[KeyView]:
        """Bring back a deleted key, by its lineage, in the state in which it was deleted."""
        return versioned(await keys.restore(by, lineage_id))

    @post(
        "/api/keys/{lineage_id:str}/purge", operation_id="purge_key", tags=["keys"], status_code=200
    )
    async def purge_key(
        by: By, lineage_id: FromPath[str], *, dry_run: FromQuery[bool] = False
    ) -> Response[KeyPurge]:
        """Delete a deleted key for good now, by its lineage, instead of after 30 days."""
        gone = await keys.purge(by, lineage_id, dry_run=dry_run)
        return answer(KeyPurge(not dry_run, gone.id, gone.name))

    return [revoke_key, delete_key, restore_key, purge_key]
