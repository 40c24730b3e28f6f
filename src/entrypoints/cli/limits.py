"""`thinkwatch limits`: rules, budgets and their live counters, through the console."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import click
import msgspec
from msgspec import Struct

from application.console.limits.documents import BudgetView, RuleMetric, RuleView
from application.console.limits.standing import Explained, ResetDone, Standing
from domain.inference.dialect import Surface
from domain.limits.budgets import BudgetUnit
from domain.limits.periods import Period
from domain.limits.rules import Enforcement, Mode
from domain.limits.windows import Window
from entrypoints.cli.console_api import open_console_api
from entrypoints.cli.options import configured, data_dir_option, json_option
from entrypoints.cli.paging import every_item
from entrypoints.failures import EXIT_FAILED, Failure, StartFailed

_EPILOG = """\b
A subject is 'platform' or kind:name, for example user:dev@example.com, team:core,
api_key:dev@example.com/ci, provider:openai, model:gpt-4o; role:developer and team_members:core
are defaults, which every member has for itself.

\b
Examples:
  thinkwatch limits list --subject user:dev@example.com
  thinkwatch limits set user:dev@example.com --metric requests --window 1m --limit 60
  thinkwatch limits set team:core --period monthly --unit usd --limit 250.50
  thinkwatch limits explain --key ci --model gpt-4o
  thinkwatch limits reset user:dev@example.com --dry-run
"""
_SURFACES = click.Choice([Surface.AI_GATEWAY.value, Surface.MCP_GATEWAY.value])
T = TypeVar("T")


class _Outcome(Struct):
    """The part of an outcome that is shown."""

    status: str
    item: msgspec.Raw = msgspec.Raw(b"null")
    message: str | None = None


class _Outcomes(Struct):
    """An answer of a bulk call."""

    items: list[_Outcome]


class Amount(click.ParamType[Decimal]):
    """A decimal amount."""

    name = "amount"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Return the exact amount."""
        try:
            return Decimal(str(value).replace("_", ""))
        except InvalidOperation:
            self.fail(f"'{value}' is not a number", param, ctx)


_url_option = click.option("--url", help="URL of the console [default: the one that runs here].")


def _choice(kind: type[RuleMetric | Window | Period | BudgetUnit | Enforcement | Mode]):  # noqa: ANN202 - click's own type
    return click.Choice([member.value for member in kind])


@click.group("limits", epilog=_EPILOG)
def command() -> None:
    """List, set, explain and reset limits and budgets."""


@command.command("list")
@click.option("--subject", help="Only those that hang on it.")
@_url_option
@data_dir_option
@json_option
def list_limits(
    *, subject: str | None, url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """List rules, concurrency caps and budgets."""
    query = {"subject": subject} if subject else {}
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        rules = list(every_item(console, "/api/limits", query))
        budgets = list(every_item(console, "/api/budgets", query))
    if as_json:
        click.echo(msgspec.json.encode({"limits": rules, "budgets": budgets}))
        return
    for raw in rules:
        click.echo(_rule_line(_decoded(raw, RuleView)))
    for raw in budgets:
        click.echo(_budget_line(_decoded(raw, BudgetView)))


@command.command("set")
@click.argument("subject")
@click.option("--limit", required=True, type=Amount(), help="The most that is allowed.")
@click.option("--metric", type=_choice(RuleMetric), help="What a rule counts.")
@click.option("--window", type=_choice(Window), help="Length of the rule's sliding window.")
@click.option("--surface", type=_SURFACES, help="[default: ai_gateway]")
@click.option("--period", type=_choice(Period), help="Makes it a budget.")
@click.option("--unit", type=_choice(BudgetUnit), help="[default: weighted_tokens]")
@click.option("--timezone", help="IANA zone of a budget's calendar [default: UTC].")
@click.option("--enforcement", type=_choice(Enforcement), help="[default: soft]")
@click.option("--mode", type=_choice(Mode), help="[default: enforce]")
@click.option("--enabled/--disabled", default=True)
@_url_option
@data_dir_option
@json_option
def set_limit(
    *,
    subject: str,
    limit: Decimal,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
    **members: str | bool | None,
) -> None:
    """Create the limit of SUBJECT, or replace the one with the same metric and window (or period).

    Counters are kept when a limit is replaced.
    """
    is_budget = members["period"] is not None
    wrong = ("metric", "window", "surface") if is_budget else ("unit", "timezone")
    for name in wrong:
        if members[name] is not None:
            raise click.UsageError(f"--{name} goes {'without' if is_budget else 'with'} --period")
    if not is_budget and members["metric"] is None:
        raise click.UsageError("say what to limit: --metric (a rule) or --period (a budget)")
    if not is_budget and limit != int(limit):
        raise click.UsageError("the limit of a rule is a whole number")
    entry = {name: value for name, value in members.items() if value is not None}
    amount: object = str(limit) if is_budget else int(limit)
    row = {"op": "set", "entry": {"subject": subject, "limit": amount, **entry}}
    path = "/api/budgets/bulk" if is_budget else "/api/limits/bulk"
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post(path, {"items": [row]})
    outcome = _decoded(answer, _Outcomes).items[0]
    if outcome.status == "failed":
        raise StartFailed(
            Failure(outcome.message or "the console refused it", "correct the limit", EXIT_FAILED)
        )
    if as_json:
        click.echo(bytes(outcome.item))
        return
    line = (
        _budget_line(_decoded(outcome.item, BudgetView))
        if is_budget
        else _rule_line(_decoded(outcome.item, RuleView))
    )
    click.echo(f"{outcome.status}  {line}")


@command.command("explain")
@click.option("--key", help="Id of the key, owner/name, or a name only one active key has.")
@click.option("--user", help="E-mail or id of the user, instead of a key.")
@click.option("--model", help="Model of the request; needed on the AI gateway.")
@click.option("--provider", help="Provider it would go to.")
@click.option("--surface", type=_SURFACES, help="[default: ai_gateway]")
@click.option("--tokens", type=click.IntRange(0), help="Weighted tokens it is expected to use.")
@_url_option
@data_dir_option
@json_option
def explain(
    *, url: str | None, data_dir: Path | None, as_json: bool, **question: str | int | None
) -> None:
    """Tell which limits a request would meet, how they stand, and the verdict. Counts nothing."""
    asked = {name: value for name, value in question.items() if value is not None}
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post("/api/limits/explain", asked)
    if as_json:
        click.echo(answer)
        return
    explained = _decoded(answer, Explained)
    for standing in explained.limits:
        click.echo(_standing_line(standing))
    if explained.admitted:
        click.echo("admitted")
        return
    wait = explained.retry_after_ms
    again = "waiting does not help" if wait is None else f"again in {-(-wait // 1000)} s"
    click.echo(f"rejected by {explained.rejected_by}, {again}")


@command.command("reset")
@click.argument("subject", required=False)
@click.option("--limit-id", help="Only the counter of this limit.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be forgotten.")
@_url_option
@data_dir_option
@json_option
def reset(
    *,
    subject: str | None,
    limit_id: str | None,
    dry_run: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Forget what the windows and current budgets of SUBJECT have counted."""
    if subject is None and limit_id is None:
        raise click.UsageError("say whose counters: SUBJECT or --limit-id")
    given = {"subject": subject, "limit_id": limit_id}
    wish = {name: value for name, value in given.items() if value is not None}
    query = {"dry_run": "true"} if dry_run else {}
    with open_console_api(configured(data_dir=data_dir).config, url) as console:
        answer = console.post("/api/limits/reset", wish, query)
    if as_json:
        click.echo(answer)
        return
    done = _decoded(answer, ResetDone)
    for standing in done.limits:
        click.echo(_standing_line(standing))
    counters = f"{len(done.limits)} counter{'' if len(done.limits) == 1 else 's'}"
    click.echo(f"{counters} {'reset' if done.applied else 'left as they are'}")


def _decoded(answer: bytes | msgspec.Raw, kind: type[T]) -> T:
    return msgspec.json.decode(answer, type=kind)


def _rule_line(rule: RuleView) -> str:
    slot = f"{rule.metric}/{rule.window}" if rule.window is not None else rule.metric.value
    return f"{rule.id}  {rule.subject}  {slot} <= {rule.limit}  {rule.surface}{_notes(rule)}"


def _budget_line(budget: BudgetView) -> str:
    amount = f"{budget.limit:f} {budget.unit}"
    zone = f"  {budget.timezone}" if budget.timezone != "UTC" else ""
    return (
        f"{budget.id}  {budget.subject}  budget/{budget.period} <= {amount}{zone}{_notes(budget)}"
    )


def _notes(limit: RuleView | BudgetView) -> str:
    notes = [
        text
        for text, applies in (
            ("strict", limit.enforcement is Enforcement.STRICT),
            ("shadow", limit.mode is Mode.SHADOW),
            ("disabled", not limit.enabled),
        )
        if applies
    ]
    return f"  ({', '.join(notes)})" if notes else ""


def _standing_line(standing: Standing) -> str:
    mark = "!" if standing.exceeded else " "
    source = standing.source
    where = f"{source.kind} of {source.attached_to}"
    if source.overrides:
        why = "; ".join(f"{each.set_by}: {each.reason}" for each in source.overrides)
        where = f"{source.configured:f} configured on {source.attached_to}, override by {why}"
    used = f"{standing.used:f} of {standing.limit:f} {standing.unit}"
    shadow = "  shadow" if standing.shadow else ""
    return f"{mark} {standing.label:<28} {used}  [{where}]{shadow}"
