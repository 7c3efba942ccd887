"""The document as AsyncAPI's own parser reads it."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roomlog.realtime.asyncapi import document, encoded
from tests.npm import node_with_packages

FOLDER = Path(__file__).parent
PARSE_TIMEOUT_S = 120
WARNING = 1  # 0 is an error, 2 an information, 3 a hint

Parse = Callable[[bytes], dict[str, Any]]


@pytest.fixture(scope="module")
def parse() -> Parse:
    node = node_with_packages(FOLDER)

    def parsed(text: bytes) -> dict[str, Any]:
        done = subprocess.run(
            [node, "parse.mjs"],
            cwd=FOLDER,
            input=text,
            capture_output=True,
            timeout=PARSE_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return parsed


def faults(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Its errors and warnings. That there is a newer version of AsyncAPI is neither."""
    return [found for found in told["diagnostics"] if found["severity"] <= WARNING]


def test_the_parser_finds_no_fault_in_the_document(parse: Parse) -> None:
    told = parse(encoded())

    assert faults(told) == []
    assert set(told["operations"]) == document()["operations"].keys()


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("channels", "room", "parameters"), {}),
        (("channels", "room", "bindings", "ws", "query", "properties", "after", "type"), "number?"),
        (("operations", "room_send", "action"), "answer"),
        (
            ("operations", "room_send", "reply", "messages"),
            [{"$ref": "#/channels/room/messages/Nobody"}],
        ),
        (
            ("components", "schemas", "MessageBroadcast", "properties", "event", "discriminator"),
            {"propertyName": "type", "mapping": {}},
        ),
        (("components", "securitySchemes", "query", "in"), "body"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_the_parser_would_find_a_fault(parse: Parse, place: tuple[str, ...], wrong: object) -> None:
    broken = copy.deepcopy(document())
    within: dict[str, Any] = broken
    for name in place[:-1]:
        within = within[name]
    within[place[-1]] = wrong

    assert faults(parse(json.dumps(broken).encode())) != []
