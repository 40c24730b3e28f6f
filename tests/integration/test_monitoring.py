"""Dashboard, alerts and documentation speak of the metrics that are really exported."""

import re

import httpx
import msgspec
import pytest
import yaml
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry.metrics import PrometheusTelemetry
from domain.secret import Secret
from tests.support.gateway_harness import GatewayHarness
from tests.support.promql import spoken_of
from tests.support.source_tree import ROOT

DEPLOY = ROOT / "deploy"
TOKEN = "a-token-of-some-length"
HELLO = [{"role": "user", "content": "Hi"}]
OF_THE_SCRAPE = {"job", "instance"}
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")

Exported = dict[str, set[str]]
"""Labels by the name of a series."""


@pytest.fixture
async def exported() -> Exported:
    """What a gateway shows after requests of every kind, and events it cannot have by itself."""
    telemetry = PrometheusTelemetry()
    harness = GatewayHarness(metrics=telemetry, metrics_token=Secret(TOKEN))
    harness.add_model("demo", harness.add_demo())
    key = {"authorization": f"Bearer {harness.add_key()}"}
    telemetry.rate_limited("user:requests/1m")
    telemetry.shadow_exceeded("user:requests/1m")
    telemetry.budget_alert("user", "monthly", 100)
    telemetry.record_lost("requests", "disk_full")
    telemetry.breaker_state("demo/demo", 0)
    telemetry.sink_lag("clickhouse", 0)
    async with harness.running() as gateway, httpx.AsyncClient(base_url=gateway.url) as http:
        for stream in (False, True):
            body = {"model": "demo", "messages": HELLO, "stream": stream}
            answer = await http.post("/v1/chat/completions", json=body, headers=key)
            assert answer.status_code == 200
        await gateway.journal.wait_for(2)
        page = await http.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert page.status_code == 200
    found: Exported = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            # A page of one process also says since when it counts; one of several does not.
            if not sample.name.endswith("_created"):
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


class Target(Struct):
    """One query of a panel."""

    expr: str


class Panel(Struct, rename="camel"):
    """One picture of the dashboard; rows are panels too."""

    id: int
    type: str
    title: str
    grid_pos: dict[str, int]
    targets: list[Target] = []


class Variable(Struct):
    """A choice at the top of the dashboard."""

    name: str
    definition: str = ""


class Templating(Struct):
    """All choices."""

    list: list[Variable]


class Dashboard(Struct):
    """What is looked at here."""

    panels: list[Panel]
    templating: Templating


class Rule(Struct):
    """An alert."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Group(Struct):
    """Alerts that are evaluated together."""

    name: str
    rules: list[Rule]


DASHBOARD_FILE = DEPLOY / "grafana" / "thinkwatch.json"
DASHBOARD = msgspec.json.decode(DASHBOARD_FILE.read_bytes(), type=Dashboard)
RULES = [
    rule
    for group in msgspec.convert(
        yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")),
        dict[str, list[Group]],
    )["groups"]
    for rule in group.rules
]
QUERIES = [target.expr for panel in DASHBOARD.panels for target in panel.targets]


def documented() -> Exported:
    """The table of docs/operations.md: labels by metric."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", text, re.MULTILINE)
    return {name: set(labels.replace(",", " ").split()) for name, _, labels in rows}


def base(series: str, known: Exported) -> str:
    """Return the metric a series belongs to."""
    for ending in OF_HISTOGRAMS:
        if series.endswith(ending) and series.removesuffix(ending) in known:
            return series.removesuffix(ending)
    return series


def test_what_is_exported_is_documented_with_its_labels_and_nothing_else(
    exported: Exported,
) -> None:
    known = documented()
    found: Exported = {}
    for series, labels in exported.items():
        found.setdefault(base(series, known), set()).update(labels - {"le"})
    assert found == known


def test_dashboard_and_alerts_name_series_and_labels_there_are(exported: Exported) -> None:
    wrong: list[str] = []
    for expression in QUERIES + [rule.expr for rule in RULES]:
        spoken = spoken_of(expression)
        assert spoken.metrics, expression
        for name, labels in spoken.metrics.items():
            if name not in exported:
                wrong.append(f"{name} in {expression}")
            elif extra := labels - exported[name] - OF_THE_SCRAPE:
                wrong.append(f"{extra} of {name} in {expression}")
        common = set[str].intersection(*(exported.get(name, set()) for name in spoken.metrics))
        if extra := spoken.grouped_by - common - OF_THE_SCRAPE:
            wrong.append(f"{extra} in {expression}")
    assert wrong == []


def test_every_documented_metric_is_on_the_dashboard() -> None:
    known = documented()
    shown = {base(name, known) for query in QUERIES for name in spoken_of(query).metrics}
    assert known.keys() - shown == set()


def test_variables_of_the_dashboard_are_values_of_labels_there_are(exported: Exported) -> None:
    variables = DASHBOARD.templating.list
    for variable in variables:
        for metric, label in re.findall(r"label_values\((\w+), (\w+)\)", variable.definition):
            assert label in exported[metric]
    used = set(re.findall(r"\$\{?([a-z]\w*)", DASHBOARD_FILE.read_text(encoding="utf-8")))
    assert used == {variable.name for variable in variables}


def test_panels_have_a_place_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD.panels:
        at = panel.grid_pos
        assert at["x"] + at["w"] <= 24
        columns, lines = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells = {(x, y) for x in columns for y in lines}
        assert not cells & taken, panel.title
        taken |= cells
    assert len({panel.id for panel in DASHBOARD.panels}) == len(DASHBOARD.panels)


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert len({rule.alert for rule in RULES}) == len(RULES)
    for rule in RULES:
        summary, description = rule.annotations["summary"], rule.annotations["description"]
        assert rule.labels["severity"] in ("page", "ticket")
        assert summary
        assert description.strip().endswith("."), rule.alert
        named = set(re.findall(r"\$labels\.(\w+)", summary + description))
        assert named <= spoken_of(rule.expr).grouped_by, rule.alert
