"""The table of cases, which clients of all languages run: `tests/contracts/client_cases.json`."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from roomlog.services import identity
from roomlog_client.core import inputs as inp
from roomlog_client.core.machine import Config, Machine
from roomlog_contract.ids import keyed_event_id

_ROOT = Path(__file__).resolve().parents[2]
_TABLE: dict[str, Any] = json.loads((_ROOT / "tests/contracts/client_cases.json").read_text())
_CASES: list[dict[str, Any]] = _TABLE["cases"]
_SPECIFICATION = (_ROOT / "docs/client/specification.md").read_text()


def _input(written: dict[str, Any]) -> inp.Input:
    if written["type"] == "enqueue":
        written = {**written, "command": {**written["command"], "ref": ""}}
    try:
        return msgspec.convert(written, inp.Input)
    except msgspec.ValidationError:
        # An event of a type that this version does not know; the shell makes the same of it.
        return inp.UnreadableFrame(msgspec.convert(written["frame"], inp.UnreadableEvent))


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_the_machine_does_what_the_table_says(case: dict[str, Any]):
    machine = Machine(msgspec.convert(case["config"], Config))
    assert machine.snapshot() == _TABLE["initial_state"]
    for step in _TABLE["setups"][case["setup"]] if case["setup"] else []:
        machine.handle(_input(step["input"]), step["at_ms"], step["chance"])
    state = machine.snapshot()

    for number, step in enumerate(case["steps"]):
        effects = machine.handle(_input(step["input"]), step["at_ms"], step["chance"])
        state |= step["state"]

        assert msgspec.to_builtins(effects) == step["effects"], f"step {number}"
        assert machine.snapshot() == state, f"step {number}"


@pytest.mark.parametrize("one", _TABLE["event_ids"], ids=lambda one: one["key"])
def test_client_and_server_make_the_same_event_id_of_room_user_and_key(one: dict[str, str]):
    named = (one["room_id"], one["user_id"], one["key"])

    assert keyed_event_id(*named) == identity.keyed_event_id(*named) == one["event_id"]


def _rows(heading: str) -> list[list[str]]:
    below = re.split(r"^## ", _SPECIFICATION.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_invariant_names_a_case_that_proves_it_and_laws_that_are_there():
    laws = set(re.findall(r"def (\w+)", _laws()))
    proved = {name: set(case["proves"]) for case in _CASES for name in [case["name"]]}
    law = ""
    for number, says, named, case in _rows("Invariants"):
        law = law if named == "same" else named.strip("`")
        assert says
        assert not law or law in laws, law
        assert number in proved[case], case


def _laws() -> str:
    return (_ROOT / "tests/client/test_machine_laws.py").read_text()


def test_every_case_proves_an_invariant_that_is_there():
    invariants = {row[0] for row in _rows("Invariants")}

    assert {one for case in _CASES for one in case["proves"]} == invariants


def test_every_cell_of_the_transition_table_has_its_case():
    names = {case["name"] for case in _CASES}
    states = ("offline", "connecting", "replaying", "live", "waiting", "closed")
    rows = _rows("Transition table")

    assert all(len(row) == 1 + len(states) and all(row) for row in rows)
    assert {f"{row[0].strip('`')} in {state}" for row in rows for state in states} <= names
