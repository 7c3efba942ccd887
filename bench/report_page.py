"""The page of `bench.report`, in Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.__main__ import benchmarks
from bench.measured import SAMPLES, Machine, Measured, Results, number, words
from bench.plots import FLAT, Plot, sized
from bench.promises import OTHERS, PROMISES, SYSTEMS, Kept, kept
from bench.short_runs import is_short, options

_CPU = "server CPU a message, µs"
_DELIVERY = "API CPU a delivery, µs"
_PARTS = ("api", "nats", "projector", "postgres")
_COMMAND = "python -m bench"
# The sections, with their benchmarks. What is in none of them goes to the last.
_SECTIONS = (
    ("Rooms under load", ("one_room", "many_rooms", "sends"), ("latencies",)),
    ("Reading", ("missed_messages", "newest_page", "unread"), ()),
    ("Search", ("search",), ()),
    ("As-of reads", ("as_of",), ()),
    ("Projection lag", ("projection_lag", "rebuild"), ()),
    ("Memory", ("memory", "idle_connections", "nasty"), ("memory",)),
    ("Growth", ("growth",), ("growth",)),
    ("Fairness", ("fairness", "limits"), ()),
    ("Workers", ("workers",), ("workers_rate", "workers_cost")),
    ("Start", ("ready",), ()),
    ("Beside a room written by hand", ("baseline",), ()),
    ("Everything else", (), ()),
)


def page(results: Mapping[str, Results], plots: Sequence[Plot], by_hand: str) -> str:
    """The whole page. `by_hand` is Markdown, too, with a heading of the first level."""
    named = {plot.name: plot for plot in plots}
    parts = [
        "# Performance",
        _intro(results),
        "## What is promised, and what was measured",
        _promises(results),
        _missing(results),
        _picture(named, "promises"),
        _lowered(by_hand),
        "## What others take for it",
        _others(),
        "## What a message costs",
        _costs(results),
        *_sections(results, named),
        "## Machine and versions",
        _machines(results),
        "## How to repeat it",
        _repeat(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(results: Mapping[str, Results]) -> str:
    told = (
        "Everything here was measured with all features on: authentication, membership, limits "
        "(set high), rendering and cleaning, mentions, metrics, idempotency keys, and an fsync "
        "before every ack. The load runs beside the server on the same machine, in a process of "
        "its own, and checks every delivery: a run in which one was lost, doubled or out of order "
        "gives no figure.\n\n"
        "A *bare limit* is what the same machine does in the same run without roomlog around it: "
        "plain JetStream batches, plain uvicorn, plain COPY, the plain query. *Ratio* is how near "
        "the figure comes to it: 1 is the limit. Compare ratios and CPU more than figures: "
        "machines differ, and this one had other things to do at times.\n\n"
        f"The page is made from results by `{_COMMAND}.report`; see "
        "[how to repeat it](#how-to-repeat-it)."
    )
    short = sorted(name for name in results if is_short(results[name]))
    if short:
        told += (
            "\n\n**Results of short runs**, which show that a benchmark works and say little: "
            f"{', '.join(short)}."
        )
    return told


def _promises(results: Mapping[str, Results]) -> str:
    rows = [_promise(kept(promise, results), results) for promise in PROMISES]
    rows += _flat(results)
    head = ("work", "figure", "target", "reached", "bare limit, same run", "ratio", "server CPU")
    told = (
        "*Server CPU* is of a message, by process: API + NATS + projector + PostgreSQL, and of the "
        "API for each delivery."
    )
    return f"{_table(head, rows)}\n\n{told}"


def _promise(found: Kept, results: Mapping[str, Results]) -> tuple[str, ...]:
    promise = found.promise
    target = f"{'≥' if promise.at_least else '≤'} {_with_unit(promise.target, promise.unit)}"
    if found.figure is None:
        return (promise.work, "missing", target, "not measured", "-", "-", "-")
    reached = "yes" if found.reached else "**no**"
    if found.but:
        reached += f" ({found.but})"
    figure = _with_unit(found.figure, promise.unit) + _short_mark(results[promise.bench])
    bare = "-"
    if found.bare is not None:
        bare = f"{_with_unit(found.bare, promise.unit)} ({found.bare_name})"
    ratio = "-" if found.ratio is None else f"{found.ratio:.2f}"
    cpu = _cpu(found.result) if found.result else "-"
    return (promise.work, figure, target, reached, bare, ratio, cpu)


def _cpu(one: Measured) -> str:
    cpu = one.details.get(_CPU)
    if not isinstance(cpu, dict):
        return "-"
    told = f"{' + '.join(number(cpu[part]) for part in _PARTS)} µs"
    if _DELIVERY in one.details:
        told += f"; {number(one.details[_DELIVERY])} µs a delivery"
    return told


def _flat(results: Mapping[str, Results]) -> Iterator[tuple[str, ...]]:
    """How much more a message costs at the largest size of everything else."""
    target = f"≤ {FLAT:g} times"
    largest: dict[str, tuple[int, Measured]] = {}
    for what, size, one in sized(results["growth"]) if "growth" in results else ():
        largest[what] = max(largest.get(what, (0, one)), (size, one), key=lambda pair: pair[0])
    for what, (size, one) in largest.items():
        times = float(one.details["times the smallest"])
        yield (
            f"cost of a message at {size:,} {what}",
            f"{times:.2f} times{_short_mark(results['growth'])}",
            target,
            "yes" if times <= FLAT else "**no**",
            f"{_with_unit(one.bare, 'µs')} ({one.bare_name})" if one.bare else "-",
            "-" if one.ratio is None else f"{one.ratio:.2f}",
            _cpu(one),
        )
    if not largest:
        work = "cost of a message as all else grows"
        yield (work, "missing", target, "not measured", "-", "-", "-")


def _missing(results: Mapping[str, Results]) -> str:
    missing = [name for name in benchmarks() if name not in results]
    if not missing:
        return ""
    names = ", ".join(f"`{name}`" for name in missing)
    return f"**Missing** are the results of {names}."


def _others() -> str:
    told = (
        "Other systems, measured on a machine of the same kind with the same load beside them "
        "(200-byte messages). Synapse and the hand-written server ack after PostgreSQL's commit "
        "with fsync on, ejabberd acks by reflecting the message."
    )
    known = [promise for promise in PROMISES if promise.work in OTHERS]
    rows = [(promise.work, *OTHERS[promise.work]) for promise in known]
    return f"{told}\n\n{_table(('work', *SYSTEMS), rows)}"


def _costs(results: Mapping[str, Results]) -> str:
    rows = [
        (
            f"{one.name.rsplit(': ', 1)[0]}{_short_mark(told)}",
            *(number(cpu[part]) for part in _PARTS),
            number(sum(cpu.values())),
            number(one.details[_DELIVERY]) if _DELIVERY in one.details else "-",
        )
        for told in results.values()
        for one in told.results
        if isinstance(cpu := one.details.get(_CPU), dict)
    ]
    if not rows:
        return "No results with it are there."
    told = "Server CPU in µs, by process, and of the API for each delivery."
    head = ("load", "API", "NATS", "projector", "PostgreSQL", "a message in all", "a delivery")
    return f"{told}\n\n{_table(head, rows)}"


def _sections(results: Mapping[str, Results], plots: Mapping[str, Plot]) -> Iterator[str]:
    placed = {name for _, names, _ in _SECTIONS for name in names}
    for title, names, pictures in _SECTIONS:
        of = names or tuple(name for name in results if name not in placed)
        if not of:
            continue
        yield f"## {title}"
        for name in pictures:
            yield _picture(plots, name)
        for name in of:
            yield _section(name, results.get(name))


def _section(name: str, told: Results | None) -> str:
    if told is None:
        return f"The results of `{name}` are missing."
    rows = [
        (
            one.name,
            _with_unit(one.figure, one.unit),
            "-" if one.bare is None else f"{_with_unit(one.bare, one.unit)} ({one.bare_name})",
            "-" if one.ratio is None else f"{one.ratio:.2f}",
        )
        for one in told.results
    ]
    lines = [
        f"`{name}`{_short_mark(told)}: {benchmarks().get(name, '')}",
        _table(("what", "figure", "bare limit", "ratio"), rows),
    ]
    details = [line for one in told.results for line in _details(one)]
    if details:
        lines.append("\n".join(["<details><summary>Details</summary>", "", *details, "</details>"]))
    return "\n\n".join(lines)


def _details(one: Measured) -> Iterator[str]:
    told = {key: value for key, value in one.details.items() if key != SAMPLES}
    if told:
        yield f"- {_cell(one.name)}"
        yield from (f"  - {_cell(key)}: {_cell(words(value))}" for key, value in told.items())
        yield ""


def _machines(results: Mapping[str, Results]) -> str:
    machines = {_machine(one.machine): None for one in results.values()}
    rows = [
        (name, one.at, number(one.machine.load_before), f"{number(one.machine.fsync_ms)} ms")
        for name, one in sorted(results.items())
    ]
    return "\n\n".join(
        [
            *machines,
            "The load average before a run says what else the machine was doing.",
            _table(("benchmark", "at", "load before", "an fsync"), rows),
        ]
    )


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        f"{machine.cores} cores ({machine.processor}), {number(machine.memory_gib)} GiB, "
        f"{machine.system}; {versions}."
    )


def _repeat(results: Mapping[str, Results]) -> str:
    told = (
        "With [roomlog installed](quickstart.md), in its repository:\n\n"
        f"```sh\n{_COMMAND} all --json results   # about an hour; --missing goes on where it ended\n"
        f"{_COMMAND}.report results\n```\n\n"
        f"`{_COMMAND}` lists the benchmarks, `{_COMMAND} NAME…` runs some, "
        f"`{_COMMAND}.NAME --help` says what can be set. `--short` tries whether all work."
    )
    rows = [
        (f"`{name}`", f"`{_command(name, results.get(name))}`", about)
        for name, about in benchmarks().items()
    ]
    return f"{told}\n\n{_table(('benchmark', 'run as', 'what it measures'), rows)}"


def _command(name: str, told: Results | None) -> str:
    """As it was run: what differs from its defaults."""
    words_ = [f"{_COMMAND}.{name}"]
    if told is not None:
        defaults = options(name, ())
        for key, value in told.options.items():
            values = value if isinstance(value, list) else [value]
            known = defaults.get(key)
            if values != (list(known) if isinstance(known, tuple) else [known]):
                words_ += [f"--{key.replace('_', '-')} {_plain(one)}" for one in values]
    return " ".join(words_)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _short_mark(told: Results) -> str:
    return " (short run)" if is_short(told) else ""


def _picture(plots: Mapping[str, Plot], name: str) -> str:
    plot = plots.get(name)
    return f"![{plot.shows}](performance/{plot.name}.svg)" if plot else ""


def _lowered(by_hand: str) -> str:
    """One level below the page's own heading; links lead on from where the page is."""
    text = re.sub(r"^#", "##", by_hand.strip(), flags=re.MULTILINE)
    return re.sub(r"\]\(\.\./", "](", text)


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)}{'' if unit.startswith('/') else ' '}{unit}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(one) for one in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
