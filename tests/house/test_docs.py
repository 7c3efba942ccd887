"""Documentation and code say the same: whatever a client or operator meets is documented."""

import ast
import os
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args

import click
import msgspec
import pytest

from roomlog_contract import events as ev
from roomlog_contract import frames as fr
from roomlog_contract import proofs as pr
from roomlog_contract import resources as rs
from roomlog_contract import stored as st
from roomlog_contract import trail
from roomlog_contract.errors import HTTP_STATUS, CloseCode, ErrorCode
from roomlog_contract.fold import NoEffectReason
from roomlog_contract.meanings import CLOSE_MEANINGS, ERROR_MEANINGS
from roomlog_contract.types import GlobalRole, MessageType, RoomRole, RoomStatus, SystemEventType
from tests.histories.checker import Kind
from tests.house.repository import ROOT, run

DOCS = ROOT / "docs"
_PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_LIMITS_OF = (
    "roomlog.ports",
    *("roomlog_contract", "roomlog.core", "roomlog.services", "roomlog.http"),
    *("roomlog.realtime", "roomlog.cli", "roomlog.jetstream.append", "roomlog.ports"),
    "roomlog.audit",
)


def _text(name: str) -> str:
    return (DOCS / name).read_text()


def _rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables, by their first cell without its backticks."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return {row[0].strip("`"): row for row in rows}


def _section(text: str, heading: str) -> str:
    """What stands below a heading, to the next one of the same level or above."""
    level = heading.index(" ")
    below = text.split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{1,{level}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def _named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def _fields(struct: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def _unlinked(text: str) -> str:
    """The same without its links."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_is_documented_with_its_status_and_meaning(code: ErrorCode):
    _, status, *meaning = _rows(_text("protocol/errors.md"))[code.value]

    assert status == str(HTTP_STATUS[code])
    assert [_unlinked(text) for text in meaning] == list(ERROR_MEANINGS[code])


@pytest.mark.parametrize(
    "code", [value for name, value in vars(CloseCode).items() if not name.startswith("_")]
)
def test_every_close_code_is_documented_with_its_meaning(code: int):
    _, *meaning = _rows(_section(_text("protocol/errors.md"), "## Close codes"))[str(code)]

    assert meaning == list(CLOSE_MEANINGS[code])


def _frames() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield from (("### Client to server", frame) for frame in get_args(fr.WebSocketMessage))
    yield from (("### Server to client", frame) for frame in get_args(fr.ServerFrame))


@pytest.mark.parametrize(("heading", "frame"), list(_frames()))
def test_every_frame_is_documented_with_all_its_fields(heading: str, frame: type[msgspec.Struct]):
    row = _rows(_section(_text("protocol/websocket.md"), heading))[_tag(frame)]

    assert _named(row[1]) == _fields(frame)


def _tag(struct: type[msgspec.Struct]) -> str:
    return str(struct.__struct_config__.tag)


@pytest.mark.parametrize("event", get_args(ev.Event))
def test_every_event_is_documented_with_all_that_readers_see(event: type[msgspec.Struct]):
    row = _rows(_section(_text("protocol/events.md"), "## As read"))[_tag(event)]

    assert _named(row[1]) == _fields(event) - {"id", "actor"}


@pytest.mark.parametrize("kind", list(st.BODY_TYPES))
def test_every_stored_body_is_documented_with_all_its_fields(kind: str):
    row = _rows(_section(_text("protocol/events.md"), "## As stored"))[kind]

    assert _named(row[1]) - {"open"} == _fields(st.BODY_TYPES[kind]) - {"digest", "salt"}


def test_the_stored_form_is_documented_field_by_field_in_its_order():
    fields = list(st.StoredEvent.__struct_fields__)
    rows = _rows(_section(_text("protocol/events.md"), "## As stored"))

    assert [name for name in rows if name in fields] == fields


@pytest.mark.parametrize("kind", list(trail.RecordKind))
def test_every_kind_of_record_is_documented(kind: trail.RecordKind):
    assert _rows(_section(_text("audit.md"), "## The audit trail"))[kind.value][1]


@pytest.mark.parametrize("reason", list(NoEffectReason))
def test_every_reason_to_have_no_effect_is_documented(reason: NoEffectReason):
    assert _rows(_text("protocol/events.md"))[reason.value][1]


@pytest.mark.parametrize(
    "word", [*MessageType, *SystemEventType, *RoomRole, *RoomStatus, *GlobalRole]
)
def test_every_word_of_the_contract_is_documented(word: str):
    assert f"`{word}`" in _text("protocol/rest.md")


@pytest.mark.parametrize(
    "shape",
    [
        *(rs.RoomResponse, rs.MemberResponse, rs.MessageResponse, rs.MessageVersion),
        *(rs.SearchHit, rs.RoomStats, rs.UserCount),
        *(pr.AuditKey, pr.RoomCheckpoint, pr.LogCheckpoint),
        *(pr.InclusionProof, pr.ConsistencyProof, pr.HeadProof, trail.AuditRecord),
    ],
)
def test_every_field_of_a_resource_is_documented(shape: type[msgspec.Struct]):
    assert _fields(shape) <= _named(_section(_text("protocol/rest.md"), "## Shapes"))


@pytest.mark.parametrize(
    "shape",
    [
        *(rs.RoomCreate, rs.RoomUpdate, rs.MemberUpdate, rs.ReadMarkerUpdate, rs.NewMember),
        *(rs.MessageCreate, rs.MessageEdit, rs.MessageDelete, rs.ReactionRequest),
        rs.BroadcastRequest,
    ],
)
def test_every_field_of_a_request_is_documented(shape: type[msgspec.Struct]):
    bodies = " ".join(re.findall(r"`\{([^`]+)\}`", _text("protocol/rest.md")))

    assert _fields(shape) <= set(re.findall(r"\w+", bodies))


def _routes() -> list[str]:
    http = import_module("roomlog.http")
    nothing = cast("Any", None)
    parts = http.HttpParts(
        **dict.fromkeys(
            (
                *("messages", "reactions", "rooms", "events", "presence", "notices"),
                *("names", "tokens", "proofs", "health", "records", "trail_proofs"),
                "redactions",
            ),
            nothing,
        )
    )
    paths = http.create_app(parts).openapi_schema.to_schema()["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def test_every_route_is_documented_and_every_documented_route_is_there():
    documented = {
        name for name in _rows(_section(_text("protocol/rest.md"), "## Paths")) if "/" in name
    }

    assert documented == set(_routes())


def test_every_setting_is_documented_with_its_default_and_meaning():
    listed = import_module("roomlog.settings").list_settings()
    rows = _rows(_text("operations/settings.md"))

    for setting in listed:
        meaning = setting.meaning.replace("|", "\\|")
        assert rows[setting.name][1:] == [setting.default or "-", meaning]
    assert {name for name in rows if name.startswith("ROOMLOG_")} == {s.name for s in listed}


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_every_command_is_documented_with_all_its_options():
    group = import_module("roomlog.cli").group
    rows = _rows(_text("operations/commands.md"))
    told = {
        path: {one for p in command.params for one in p.opts if one.startswith("--")}
        for path, command in _commands(group, "roomlog")
    }

    assert {path: _named(rows[path][1]) for path in told} == told


def _limits() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        if not module.startswith(_LIMITS_OF):
            continue
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
            for target in targets:
                if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][A-Z0-9_]*_MAX", target.id):
                    yield module, target.id


@pytest.mark.parametrize(("module", "name"), list(_limits()))
def test_every_limit_is_documented_with_its_value(module: str, name: str):
    row = _rows(_text("operations/limits.md"))[f"{module.rpartition('.')[2]}.{name}"]

    assert row[1] == re.sub(r"\.0$", "", str(getattr(import_module(module), name)))


def test_no_limit_is_documented_that_is_not_there():
    known = {f"{module.rpartition('.')[2]}.{name}" for module, name in _limits()}
    documented = {name for name in _rows(_text("operations/limits.md")) if name.endswith("_MAX")}

    assert documented == known


_LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    for target, anchor in _LINK.findall(page.read_text()):
        found = (page.parent / target).resolve() if target else page
        assert found.is_file(), target
        text = found.read_text() if found.suffix == ".md" else ""
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^\w-]+", "-", h.lower()) for h in headings}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_page_can_be_reached_from_the_readme(page: Path):
    assert f"({page.relative_to(ROOT)})" in (ROOT / "README.md").read_text()


def test_every_promise_of_reliability_is_held_by_what_is_there():
    text = _text("reliability.md")
    kinds = {kind.value for kind in Kind}
    promises = _named(_section(text, "## Promises"))
    tests = {name for name in _named(text) if name.startswith("tests/")}

    assert kinds <= promises
    assert {name for name in promises if "_" in name and "/" not in name} <= kinds
    assert [name for name in tests if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page: Path):
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text())
    missing = [
        (path, name)
        for path, name in named
        if not (ROOT / path).exists() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]

    assert missing == []


def test_every_claim_of_the_audit_page_is_held_by_a_test():
    rows = _rows(_section(_text("audit.md"), "## What holds these claims"))
    held = {claim: cells[1] for claim, cells in rows.items() if claim not in {"claim", "---"}}

    assert len(held) > 20
    assert [claim for claim, tests in held.items() if not _named(tests)] == []


def test_the_glossary_gives_each_word_one_meaning_in_alphabetical_order():
    words = [
        line.split(" | ")[0].removeprefix("| ")
        for line in _text("glossary.md").splitlines()
        if line.startswith("| ") and not line.startswith("| word")
    ]

    assert words == sorted(set(words), key=str.lower)


def _command_under(heading: str) -> str:
    block = re.search(
        r"```\w*\n(.*?)\n```", _section((ROOT / "README.md").read_text(), heading), re.DOTALL
    )
    assert block is not None
    return block[1]


@pytest.mark.parametrize(
    ("heading", "last"),
    [
        ("## Run it", ".venv/bin/roomlog up --demo"),
        ("## Test it", ".venv/bin/python -m pytest -n 2 --dist loadfile"),
    ],
)
def test_one_line_of_the_readme_does_everything(heading: str, last: str):
    command = _command_under(heading)

    assert "\n" not in command
    assert command.startswith("python3 -m venv .venv && ")
    assert "--require-hashes -r requirements.txt" in command
    assert command.endswith(f" && {last}")


def test_ci_runs_the_very_line_of_the_readme_and_ends_as_it_does(tmp_path: Path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    shutil.copy(ROOT / "README.md", tmp_path)
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\necho "CI=$CI"\ncat\nexit 7\n')
    python.chmod(0o755)
    # What CI installs beside is not this test's to install.
    shutil.copy(shutil.which("true") or "", tmp_path / "apt-get")

    told = run(
        str(tmp_path / ".ci" / "run"),
        cwd=Path("/"),
        environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        text="nobody reads this",
    )

    assert told.returncode == 7, told.stderr
    assert told.stdout.splitlines() == [f"+ {_command_under('## Test it')}", "CI=true"]


def test_every_file_that_the_architecture_names_is_there():
    named = re.findall(r"`([\w/]+(?:\.py|\.toml|\.conf))`", _text("architecture.md"))
    places = (ROOT, ROOT / "src", ROOT / "src" / "roomlog", ROOT / "src" / "roomlog" / "core")

    assert named
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []
