"""Make the configuration what a document says."""

from collections.abc import Sequence

from msgspec.structs import replace

from application.console.configuration.interpolation import Interpolated
from application.console.configuration.keys import KeyPlanner
from application.console.configuration.limits import plan_budgets, plan_limits
from application.console.configuration.models import plan_models
from application.console.configuration.overrides import plan_overrides
from application.console.configuration.people import plan_teams, plan_users
from application.console.configuration.plan import (
    Action,
    Applied,
    CreatedSecret,
    FieldChange,
    Planned,
    Step,
)
from application.console.configuration.planning import Planning, Stored
from application.console.configuration.providers import ProviderPlanner
from application.console.configuration.reading import Reading, read_document
from application.console.configuration.settings import plan_settings
from application.console.settings.revisions import Values, add_revision
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.provider import ProviderFactory
from application.ports.secrets import SecretCipher
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.errors import ValidationFailed
from domain.records.audit import AuditTarget

_SHORTEST_MASKED = 4  # a shorter text is no secret, and masking it would make plans unreadable
_MASK = "…"
_REASON = "configuration document"


class ApplyConfiguration:
    """One transaction: everything the plan says, or nothing. Concurrent runs take turns."""

    def __init__(
        self,
        uow: UnitOfWork,
        cipher: SecretCipher,
        providers: ProviderFactory,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
    ) -> None:
        """`providers` checks configurations of providers before they are stored."""
        self._uow = uow
        self._providers = ProviderPlanner(cipher, providers)
        self._keys = KeyPlanner(randomness)
        self._clock = clock
        self._ids = ids

    async def apply(
        self, by: Actor, source: Interpolated, *, dry_run: bool = False, prune: bool = False
    ) -> Applied:
        """Plan the document and, unless `dry_run`, carry the plan out.

        With `prune`, whatever the document does not name is deleted, lists it leaves out included;
        the last super admin stays, and so do overrides of limits where their list is left out.
        Without it, what is not named is left alone.

        Raises:
            ValidationFailed: with every fault of the document; nothing was changed.
            Conflict: a concurrent change of another kind won; nothing was changed.
            ServiceUnavailable: the store does not answer.
        """
        reading = read_document(source.tree)
        async with self._uow.begin(exclusive=True) as tx:
            planning = await self._planning(tx, reading, prune=prune)
            plan = await self._plan(planning)
            if faults := _all_faults(source.faults, reading.faults, planning.faults):
                raise ValidationFailed([_masked(fault, source.inserted) for fault in faults])
            steps = tuple(_masked_step(planned.step, source.inserted) for planned in plan)
            if dry_run or not any(planned.work for planned in plan):
                return Applied(steps=steps, applied=False)
            secrets = await _carry_out(plan, tx)
            for step in steps:
                _record(tx, by, step)
            await self._note_settings(tx, by, planning.stored.settings)
            await tx.commit()
        return Applied(steps=steps, applied=True, secrets=secrets)

    async def _note_settings(self, tx: Transaction, by: Actor, before: Values) -> None:
        after = await tx.settings.all()
        if after != before:
            now_ms = self._clock.now_ms()
            await add_revision(tx, by, before, after, reason=_REASON, at_ms=now_ms)

    async def _planning(self, tx: Transaction, reading: Reading, *, prune: bool) -> Planning:
        return Planning(
            document=reading.document,
            names=reading.names,
            stored=await Stored.read(tx),
            prune=prune,
            now_ms=self._clock.now_ms(),
            ids=self._ids,
            faults=[],
        )

    async def _plan(self, planning: Planning) -> Sequence[Planned]:
        """Plan each kind after those it refers to; delete in the opposite order."""
        teams = plan_teams(planning)
        users = plan_users(planning)
        providers = await self._providers.plan(planning)
        models = plan_models(planning)
        keys = self._keys.plan(planning)
        limits, budgets = plan_limits(planning), plan_budgets(planning)
        overrides, settings = plan_overrides(planning), plan_settings(planning)
        kinds = (teams, users, providers, models, keys, limits, budgets, overrides, settings)
        return [
            *(planned for kind in kinds for planned in kind.upserts),
            *(planned for kind in reversed(kinds) for planned in kind.deletions),
        ]


def _record(tx: Transaction, by: Actor, step: Step) -> None:
    if step.action is Action.UNCHANGED:
        return
    tx.audit.record(
        by,
        f"{step.kind}.{step.action.value}",
        AuditTarget(kind=step.kind, name=step.name),
        before={change.field: change.before for change in step.changes} or None,
        after={change.field: change.after for change in step.changes} or None,
        reason=_REASON,
    )


async def _carry_out(plan: Sequence[Planned], tx: Transaction) -> tuple[CreatedSecret, ...]:
    made = [await planned.work(tx) for planned in plan if planned.work is not None]
    return tuple(secret for secret in made if secret is not None)


def _all_faults(
    unresolved: Sequence[str], unreadable: Sequence[str], wrong: Sequence[str]
) -> list[str]:
    """Return every fault once, without those that only follow from another one.

    A reference that was not resolved leaves an empty text behind, a member that could not be read
    its default. What is said about these, or about the object around such a text, would distract.
    """
    without_value = {_path(fault) for fault in unresolved}
    without_value |= {path.rpartition(".")[0] for path in without_value}
    read = [fault for fault in unreadable if _path(fault) not in without_value]
    blamed = without_value | {_path(fault) for fault in unreadable}
    meant = [fault for fault in wrong if _path(fault) not in blamed]
    return list(dict.fromkeys((*unresolved, *read, *meant)))


def _path(fault: str) -> str:
    return fault.partition(": ")[0]


def _masked(text: str, inserted: frozenset[str]) -> str:
    for secret in sorted(inserted, key=len, reverse=True):
        if len(secret) >= _SHORTEST_MASKED:
            text = text.replace(secret, _MASK)
    return text


def _masked_step(step: Step, inserted: frozenset[str]) -> Step:
    changes = tuple(
        FieldChange(change.field, _masked(change.before, inserted), _masked(change.after, inserted))
        for change in step.changes
    )
    return replace(step, changes=changes)
