"""The report on made results: what it says, what it says is missing, and that it says it twice."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import msgspec
import pytest

from bench.__main__ import SHORT, benchmarks
from bench.measured import SAMPLES, Machine, Measured, Results
from bench.promises import OTHERS, PROMISES, Promise, kept
from bench.report import read_all, write

_MACHINE = Machine(2, "a processor", 24.0, "Linux", 0.15, 0.5, {"uvicorn": "0.54.0"})
_CPU = {"api": 100.0, "nats": 80.0, "projector": 40.0, "postgres": 100.0}
_TIMES = {"p50_ms": 1.5, "p99_ms": 3.5}


def results(bench: str, *found: Measured, **options: Any) -> Results:
    return Results(bench, "2026-01-31T09:15:00+00:00", options, _MACHINE, list(found))


def _details(promise: Promise, value: float) -> dict[str, Any]:
    details: dict[str, Any] = {key: least for key, least, _ in promise.provided}
    place = details
    for key in promise.detail[:-1]:
        place = place.setdefault(key, {})
    for key in promise.detail[-1:]:
        place[key] = value
    return details


def told(promise: Promise, times: float) -> Results:
    """Results in which this promise is kept so many times over, with a bare limit of ten times."""
    value = promise.target * (times if promise.at_least else 1 / times)
    bare = promise.target * (10 if promise.at_least else 0.1)
    details = _details(promise, value)
    made = Measured(promise.name, value, promise.unit, bare, "bare", promise.at_least, details)
    return results(promise.bench, made)


ALL = {
    "one_room": results(
        "one_room",
        Measured(
            "50 senders, closed loop: sends",
            *(4_000, "/s", 20_000, "JetStream, atomic batches of 50"),
            details={
                "acks": _TIMES,
                "server CPU a message, µs": _CPU,
                "API CPU a delivery, µs": 1.25,
            },
        ),
        seconds=10.0,
    ),
    "many_rooms": results(
        "many_rooms",
        Measured("100 rooms x 5, 1 in flight each: sends", 3_000, "/s", 20_000, "JetStream"),
        seconds=2.0,
    ),
    "growth": results(
        "growth",
        *(
            Measured(
                f"{size:,} connections: server CPU a message",
                *(cost, "µs", 200.0, "at 10, in between", False),
                {"times the smallest": cost / 200, "server CPU a message, µs": _CPU},
            )
            for size, cost in ((10, 200.0), (1_000, 220.0), (5_000, 250.0))
        ),
    ),
    "memory": results(
        "memory",
        Measured(
            *("growth over 3 min at 500 messages a second", 1.5, "MiB/hour"),
            details={SAMPLES: [{"s": second, "API": 70.0, "NATS": 30.0} for second in range(9)]},
        ),
    ),
    "workers": results(
        "workers",
        *(
            one
            for workers, cost in ((1, 300.0), (2, 330.0))
            for one in (
                Measured(
                    f"1 room x 100, 50 senders, {workers} worker{'s'[workers < 2 :]}: deliveries",
                    *(300_000.0 * workers, "/s"),
                    details={"times as many sends": workers},
                ),
                Measured(
                    f"1 room x 100, 50 senders, {workers} worker{'s'[workers < 2 :]}, "
                    "1,000 a second: server CPU a message",
                    *(cost, "µs"),
                    details={"times as much": cost / 300},
                ),
            )
        ),
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    for name, one in ALL.items():
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(one))
    return folder


def page_of(folder: Path, docs: Path) -> str:
    write(read_all(folder), docs)
    return (docs / "performance.md").read_text()


def row(page: str, work: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {work} |") and "≥" in line)
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_a_figure_stands_beside_its_target_and_its_bare_limit(folder: Path, tmp_path: Path):
    page = page_of(folder, tmp_path / "docs")

    assert row(page, "1 room of 100, 50 senders in a closed loop")[1:] == [
        *("4,000/s", "≥ 5,000/s", "**no**"),
        *("20,000/s (JetStream, atomic batches of 50)", "0.20"),
        "100 + 80 + 40 + 100 µs; 1.25 µs a delivery",
    ]
    assert "| 50 senders, closed loop | 100 | 80 | 40 | 100 | 320 | 1.25 |" in page


def test_what_is_missing_is_said_to_be_missing(folder: Path, tmp_path: Path):
    page = page_of(folder, tmp_path / "docs")

    assert row(page, "same, 1 sender")[1:4] == ["missing", "≥ 900/s", "not measured"]
    (missing,) = (line for line in page.splitlines() if line.startswith("**Missing** are"))
    assert set(re.findall(r"`(\w+)`", missing)) == set(benchmarks()) - set(ALL)
    assert "The results of `search` are missing." in page


def test_a_short_run_is_marked_wherever_its_figures_stand(folder: Path, tmp_path: Path):
    page = page_of(folder, tmp_path / "docs")

    assert "say little: many_rooms." in page
    figure = row(page, "100 rooms of 5, one sender each, closed loop")[1]
    assert figure == "3,000/s (short run)"
    assert "`python -m bench.many_rooms --seconds 2`" in page
    assert "`many_rooms` (short run)" in page
    assert (
        "short runs among them" in (tmp_path / "docs" / "performance" / "promises.svg").read_text()
    )
    assert "short runs" not in (tmp_path / "docs" / "performance" / "growth.svg").read_text()


@pytest.mark.parametrize("name", sorted(SHORT))
def test_every_benchmark_says_what_a_short_run_is(name: str):
    assert name in benchmarks()


def test_what_was_written_by_hand_is_taken_in_and_stays(folder: Path, tmp_path: Path):
    by_hand = tmp_path / "docs" / "performance" / "limits.md"
    by_hand.parent.mkdir(parents=True)
    text = "# Not reached\n\nSee [why](../architecture.md).\n\n## Sends\n\nThe disk.\n"
    by_hand.write_text(text)

    page = page_of(folder, tmp_path / "docs")

    assert "## Not reached\n\nSee [why](architecture.md).\n\n### Sends\n\nThe disk.\n" in page
    assert by_hand.read_text() == text


def test_the_same_results_make_the_same_bytes_again(folder: Path, tmp_path: Path):
    once, twice = tmp_path / "once", tmp_path / "twice"

    names = [path.relative_to(once) for path in write(read_all(folder), once)]

    assert [path.relative_to(twice) for path in write(read_all(folder), twice)] == names
    assert {name.name for name in names} == {
        *("performance.md", "promises.svg", "latencies.svg", "growth.svg", "memory.svg"),
        *("workers_rate.svg", "workers_cost.svg"),
    }
    for name in names:
        assert (once / name).read_bytes() == (twice / name).read_bytes()
    assert write(read_all(folder), once) == [once / name for name in names]


def test_each_plot_is_xml_for_light_and_dark_pages_and_is_shown(folder: Path, tmp_path: Path):
    docs = tmp_path / "docs"
    written = write(read_all(folder), docs)
    page = (docs / "performance.md").read_text()

    for path in written[1:]:
        drawing = path.read_text()
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme:dark" in drawing
        assert "nan" not in drawing
        assert f"](performance/{path.name})" in page


def test_plots_of_an_earlier_report_go(folder: Path, tmp_path: Path):
    docs = tmp_path / "docs"
    write(read_all(folder), docs)
    (folder / "memory.json").unlink()

    write(read_all(folder), docs)

    assert not (docs / "performance" / "memory.svg").exists()


def test_growth_beyond_what_is_promised_is_told(folder: Path, tmp_path: Path):
    page = page_of(folder, tmp_path / "docs")

    assert "| cost of a message at 5,000 connections | 1.25 times | ≤ 1.2 times | **no** |" in page


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.work)
def test_each_promise_is_judged_by_its_figure(promise: Promise):
    assert kept(promise, {promise.bench: told(promise, 1.1)}).reached
    assert kept(promise, {promise.bench: told(promise, 1)}).reached
    missed = kept(promise, {promise.bench: told(promise, 0.9)})
    assert not missed.reached
    assert missed.figure is not None
    assert kept(promise, {}).figure is None


def test_a_lag_under_a_load_that_did_not_keep_its_pace_keeps_no_promise():
    (promise,) = (one for one in PROMISES if one.bench == "projection_lag")
    slow = told(promise, 2)
    slow.results[0].details["acked and delivered a second"] = 4_000.0

    found = kept(promise, {promise.bench: slow})

    assert not found.reached
    assert found.but == "acked and delivered a second: 4,000"


def test_each_of_others_figures_stands_beside_a_promise():
    assert set(OTHERS) <= {promise.work for promise in PROMISES}


def test_what_is_no_result_is_refused_by_its_name(folder: Path):
    (folder / "broken.json").write_text("{}")

    with pytest.raises(click.ClickException, match=r"broken\.json holds no results"):
        read_all(folder)


def test_a_folder_without_results_says_how_to_get_some(tmp_path: Path):
    with pytest.raises(click.ClickException, match=r"bench all --json"):
        read_all(tmp_path)
