"""`/api/config`: the configuration as one document (console.md section 1)."""

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.console.configuration.plan import Action, Applied, Step
from application.console.documents import RemoteDocuments
from entrypoints.console.answers import answer
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.security import By


class NewSecret(Struct, frozen=True, kw_only=True):
    """A secret that was made and is told this once: null in a repeated answer."""

    kind: str
    name: str
    owner: str
    secret: str | None


class ConfigReport(Struct, frozen=True, kw_only=True):
    """The steps that were taken, or (`applied` false) would be.

    `steps` leaves out what stays as it is, unless there is something to say about it.
    """

    applied: bool
    dry_run: bool
    steps: tuple[Step, ...]
    unchanged: int
    secrets: tuple[NewSecret, ...]


def config_routes(documents: RemoteDocuments) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @post(
        "/api/config/plan",
        operation_id="plan_config",
        tags=["config"],
        status_code=200,
        opt={NEVER_KEPT: True},
    )
    async def plan_config(
        by: By, data: JSONBody[dict[str, object]], *, prune: FromQuery[bool] = False
    ) -> Response[ConfigReport]:
        """Say what applying the document in the body would do.

        `prune` deletes what the document does not name. References (`${NAME}`, `${file:path}`) are
        refused: the server's environment and files are nobody's to read from here.
        """
        return answer(_report(await documents.plan(by, data, prune=prune), dry_run=True))

    @post("/api/config/apply", operation_id="apply_config", tags=["config"], status_code=200)
    async def apply_config(
        by: By, data: JSONBody[dict[str, object]], *, prune: FromQuery[bool] = False
    ) -> Response[ConfigReport]:
        """Make the configuration what the document in the body says: everything, or nothing.

        Secrets of new keys are in the answer, and never again. References are refused, see plan.
        """
        return answer(_report(await documents.apply(by, data, prune=prune), dry_run=False))

    @get("/api/config/export", operation_id="export_config", tags=["config"])
    async def export_config(by: By) -> Response[dict[str, object]]:
        """Return the configuration as a document for plan and apply; no secret is in it."""
        return answer(await documents.export(by))

    return [plan_config, apply_config, export_config]


def _report(applied: Applied, *, dry_run: bool) -> ConfigReport:
    return ConfigReport(
        applied=applied.applied,
        dry_run=dry_run,
        steps=tuple(
            step for step in applied.steps if step.action is not Action.UNCHANGED or step.note
        ),
        unchanged=applied.count(Action.UNCHANGED),
        secrets=tuple(
            NewSecret(kind=made.kind, name=made.name, owner=made.owner, secret=made.secret.reveal())
            for made in applied.secrets
        ),
    )
