"""Metrics, their documentation, the dashboard and the alert rules all say the same."""

import ast
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
# Every label that code gives a value, and all that it may be made of: what is said here is fixed in
# code. An id, a name or a path as it was asked for is none of these.
LABEL_SOURCES = {
    "action": {"'added'", "'removed'"},
    "code": {"told.code", "refusal.code", "metrics.UNEXPECTED"},  # each an ErrorCode
    "interface": {"'rest'", "'websocket'"},
    "method": {"method"},  # methods.METHODS, or "other"
    "outcome": {"'delivered'", "'failed'"},
    "place": {"place.kind"},  # of the classes of audit.delivery
    "route": {"route", "request.scope['path_template']"},  # of a matched route, or UNMATCHED
    "status": {"message['status']"},
    "type": {"fact.fields['message_type']"},  # a MessageType, as decided
}
# Of what is found when somebody asks: parts are those of /readyz, partitions the settings'.
FOUND_LABELS = {"part", "partition"}
# What `.labels` is asked of where it is no metric by name.
_CHOSEN = {"counter": "HTTP_APPENDS"}


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
        assert set(labels) <= LABEL_SOURCES.keys() | FOUND_LABELS


def _metric_of(labels: ast.Attribute) -> Any:
    asked = labels.value
    if isinstance(asked, ast.Name):
        return getattr(metrics, _CHOSEN[asked.id])
    assert isinstance(asked, ast.Attribute)
    assert ast.unparse(asked.value) == "metrics"
    return getattr(metrics, asked.attr)


def _labelled(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each label that gets a value in a module, with the expression that it gets. Raises
    AssertionError where `.labels` is used in a way that this can't follow."""
    kept = {
        node.targets[0].id: node.value.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and node.value.args
        and isinstance(node.value.args[0], ast.Attribute)
        and node.value.args[0].attr == "labels"
    }
    known = {id(labels) for labels in kept.values()}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        labels = call.func
        if isinstance(labels, ast.Name):
            labels = kept.get(labels.id)
        if not isinstance(labels, ast.Attribute) or labels.attr != "labels":
            continue
        known.add(id(labels))
        assert not call.keywords
        names = _metric_of(labels)._labelnames
        yield from zip(names, map(ast.unparse, call.args), strict=True)
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Attribute) and node.attr == "labels") or id(node) in known


def test_labels_get_their_values_from_closed_sets_only():
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src" / "roomlog").rglob("*.py")):
        for name, source in _labelled(ast.parse(path.read_text())):
            found.setdefault(name, set()).add(source)

    assert found == LABEL_SOURCES


@pytest.mark.parametrize(
    "planted",
    [
        "metrics.MESSAGES.labels(room_id)",
        "_kept = cache(metrics.MESSAGES.labels)\n_kept(request.path)",
        "metrics.HTTP_SECONDS.labels(request.url.path)",
    ],
)
def test_a_label_made_of_anything_else_is_seen(planted: str):
    [(name, source)] = _labelled(ast.parse(planted))

    assert source not in LABEL_SOURCES[name]


def test_labels_that_can_not_be_followed_are_refused():
    with pytest.raises(AssertionError):
        list(_labelled(ast.parse("count(metrics.MESSAGES.labels, room_id)\n")))


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
