"""Metrics, their documentation, the dashboard and the alert rules all say the same."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from roomlog import metrics
from roomlog.http.metrics import Now
from tests.house.repository import ROOT

OPERATIONS = ROOT / "docs" / "operations"
_NAME = re.compile(r"\broomlog_[a-z_]+\b")
# Every label there is; each takes values from a list that is fixed in code or in the settings.
BOUNDED_LABELS = {
    *("action", "code", "interface", "method", "outcome", "part", "partition", "place", "route"),
    *("status", "type"),
}


def families() -> Iterator[Any]:
    yield from metrics.REGISTRY.collect()
    yield from Now({}, (), ()).collect()


def documented() -> dict[str, list[str]]:
    rows = [line.strip("|").split(" | ") for line in _page().splitlines() if "`roomlog_" in line]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows if len(row) == 4}


def _page() -> str:
    return (OPERATIONS / "metrics.md").read_text()


def _series(family: Any) -> set[str]:
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {family.name + suffix for suffix in suffixes.get(family.type, [""])}


def test_every_metric_is_documented_with_its_kind_and_meaning_and_no_other_is():
    told = {name: (row[0], row[2]) for name, row in documented().items()}
    total = {"counter": "_total"}

    assert told == {
        family.name + total.get(family.type, ""): (family.type, family.documentation)
        for family in families()
    }


def test_every_label_is_documented_and_bounded():
    collectors = dict.fromkeys(metrics.REGISTRY._names_to_collectors.values())
    found = [(next(iter(c.describe())), c._labelnames) for c in collectors]
    found += [(family, family._labelnames) for family in Now({}, (), ()).collect()]
    rows = documented()

    for family, labels in found:
        name = family.name + ("_total" if family.type == "counter" else "")
        assert re.findall(r"`(\w+)`", rows[name][1]) == list(labels)
        assert set(labels) <= BOUNDED_LABELS


def _queries() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((OPERATIONS / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"dashboard: {panel['title']}", target["expr"]
    yield "dashboard: job", dashboard["templating"]["list"][1]["query"]["query"]
    for rule in _rules():
        yield f"alert: {rule['alert']}", rule["expr"]


def _rules() -> list[dict[str, Any]]:
    rules = yaml.safe_load((OPERATIONS / "alerts.yml").read_text())
    return [rule for group in rules["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(("place", "query"), list(_queries()))
def test_every_query_asks_for_metrics_that_are_there(place: str, query: str):
    known = {series for family in families() for series in _series(family)}
    asked = set(_NAME.findall(re.sub(r'"[^"]*"', "", query)))

    assert asked or "up{" in query, place
    assert asked <= known


def test_the_dashboard_shows_every_metric():
    dashboard = (OPERATIONS / "grafana.json").read_text()

    shown = set(_NAME.findall(dashboard))
    assert [f.name for f in families() if not _series(f) & shown] == []


def test_labels_that_queries_name_are_labels_of_their_metrics():
    rows = documented()
    for place, query in _queries():
        for name, selected in re.findall(r"(roomlog_[a-z_]+)\{([^}]*)\}", query):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            labels = set(re.findall(r"`(\w+)`", rows[base][1])) | {"job", "instance"}
            assert set(re.findall(r"(\w+)=", selected)) <= labels, place


def test_every_alert_has_a_severity_and_says_what_is_the_matter():
    for rule in _rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in _rules()}) == len(_rules())
