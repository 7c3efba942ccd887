"""Bundles and replays of a running roomlog, by the command line alone."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import cryptography
import msgspec
import pytest

from roomlog.cli import main
from roomlog.core.signed_note import SigningKey, parse_signing_key, sign
from roomlog.core.tree_head import TreeHead, parse_tree_head
from tests.integration.http.api import Api
from tests.stack import Stack, clean_environment

ADA = "ada@example.org"
ROB = "rob@example.org"
NO_ROOM = "0192f0c1-2b3c-7d4e-8f50-617283940001"
FOLLOW_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def api(stack: Stack) -> Generator[Api]:
    running = Api(stack)
    yield running
    running.client.close()


@pytest.fixture(scope="module")
def room(api: Api) -> str:
    """A room in which a little of everything happened."""
    room = api.room((ROB, "responder"), by=ADA)
    slow = room.send(ROB, "checkout is slow\u202e")["message_id"]
    gone = room.send(ADA, "never mind")["message_id"]
    edit, reaction = {"content": "checkout is **very** slow"}, {"emoji": "👀"}
    for user, method, path, body in (
        (ROB, "PATCH", f"/api/messages/{slow}", edit),
        (ADA, "POST", f"/api/messages/{slow}/reactions", reaction),
        (ADA, "DELETE", f"/api/messages/{gone}", {"reason": "no use"}),
        (ADA, "PATCH", room.path, {"status": "mitigated"}),
    ):
        answer = api.call(user, method, path, json=body)
        assert answer.status_code < 300, answer.text
    return room.room_id


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """A roomlog command where there are no servers, no settings and no data."""
    return subprocess.run(
        [sys.executable, "-m", "roomlog", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=clean_environment(),
        check=False,
    )


def events_of(api: Api, room: str) -> list[dict[str, Any]]:
    return api.get(ADA, f"/api/rooms/{room}/events")["items"]


def exported(stack: Stack, room: str, folder: Path, *options: str) -> tuple[Path, dict[str, Any]]:
    file = folder / "bundle.html"
    told = stack.cli("audit", "export", room, "-o", str(file), "--json", *options)
    assert told.returncode == 0, told.stderr
    return file, json.loads(told.stdout)


def test_a_bundle_holds_the_room_and_is_verified_without_any_server(
    stack: Stack, room: str, tmp_path: Path
):
    file, told = exported(stack, room, tmp_path)
    keys = tmp_path / "keys"
    keys.write_text(stack.cli("audit", "keys").stdout)
    held = tmp_path / "held"
    held.write_text(stack.cli("audit", "checkpoint", room, "--size", "3").stdout)
    verified = run(
        *("audit", "verify", str(file), "--key", str(keys), "--against", str(held), "--json"),
        cwd=tmp_path,
    )
    verdict = json.loads(verified.stdout)

    assert verified.returncode == 0
    assert (verdict["ok"], verdict["events"], verdict["room_id"]) == (True, told["events"], room)
    assert verdict["checkpoint"] == told["checkpoint"]
    assert "the first 3 events are those of your checkpoint" in verdict["proved"]
    assert file.stat().st_size == told["bytes"]
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bundle.html", "held", "keys"]


def test_its_checkpoint_is_the_one_that_the_server_signs(stack: Stack, room: str, tmp_path: Path):
    _, told = exported(stack, room, tmp_path)

    assert stack.cli("audit", "checkpoint", room).stdout == told["checkpoint"]


def test_from_the_log_alone_it_is_the_same(stack: Stack, room: str, tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    _, with_trees = exported(stack, room, tmp_path / "one")
    _, alone = exported(stack, room, tmp_path / "two", "--log-alone")

    assert with_trees["root"] == alone["root"]


def test_as_of_a_place_it_holds_what_was_there_by_then(
    stack: Stack, api: Api, room: str, tmp_path: Path
):
    events = events_of(api, room)
    file, told = exported(stack, room, tmp_path, "--as-of", str(events[2]["sequence"]))

    assert (told["events"], told["head"]) == (3, events[2]["sequence"])
    assert run("audit", "verify", str(file), cwd=tmp_path).returncode == 0


def test_a_changed_bundle_is_refused_and_the_first_bad_event_named(
    stack: Stack, api: Api, room: str, tmp_path: Path
):
    file, _ = exported(stack, room, tmp_path)
    events = events_of(api, room)
    sent = next(one["sequence"] for one in events if one["event"]["type"] == "message.sent")
    file.write_bytes(file.read_bytes().replace(b"checkout is slow", b"checkout is fast"))
    told = run("audit", "verify", str(file), cwd=tmp_path)
    for_machines = json.loads(run("audit", "verify", str(file), "--json", cwd=tmp_path).stdout)

    assert told.returncode == 1
    assert f"first bad event: {sent}\n" in told.stdout
    assert (for_machines["code"], for_machines["sequence"]) == ("body", sent)


def test_a_file_that_is_there_is_left_as_it_is(stack: Stack, room: str, tmp_path: Path):
    file = tmp_path / "bundle.html"
    file.write_text("mine")
    told = stack.cli("audit", "export", room, "-o", str(file))

    assert told.returncode == 1
    assert "is there already" in told.stderr
    assert file.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["export", "0192f0c1-2b3c-7d4e-8f50-617283940001", "-o", "{folder}/b"], 1, "no events"),
        (["export", "no-room", "-o", "{folder}/b"], 2, "not a room's id"),
        (
            ["export", "0192f0c1-2b3c-7d4e-8f50-617283940001", "-o", "{folder}/none/b"],
            1,
            "No such file",
        ),
        (["replay", "0192f0c1-2b3c-7d4e-8f50-617283940001"], 1, "no events"),
        (["replay", "0192f0c1-2b3c-7d4e-8f50-617283940001", "--from", "x"], 2, "RFC 3339"),
        (
            ["replay", "0192f0c1-2b3c-7d4e-8f50-617283940001", "--as-of", "1", "--follow"],
            2,
            "--as-of",
        ),
        (["replay", "0192f0c1-2b3c-7d4e-8f50-617283940001", "--to", "1", "--follow"], 2, "--to"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    stack: Stack, tmp_path: Path, arguments: list[str], code: int, says: str
):
    arguments = [one.replace("{folder}", str(tmp_path)) for one in arguments]
    told = stack.cli("audit", *arguments)

    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (code, "", 1)
    assert says in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "no bundle of roomlog"),
        (b"\x00\xff" * 1000, "no bundle of roomlog"),
        (b"<!DOCTYPE html>\n<p>hello\n", "no bundle of roomlog"),
    ],
)
def test_what_is_no_bundle_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str
):
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    code = main(["audit", "verify", str(file)])
    told = capsys.readouterr()

    assert code == 1
    assert (told.out + told.err).count("\n") == 1
    assert says in told.out + told.err


@pytest.mark.parametrize("option", ["--key", "--against"])
@pytest.mark.parametrize("content", [None, b"", b"x", b"\xff\xfe", b"a+b+c\n", b"x" * 100_000])
def test_a_key_or_checkpoint_that_is_none_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, content: bytes | None
):
    (tmp_path / "bundle").write_bytes(b"")
    if content is not None:
        (tmp_path / "other").write_bytes(content)
    other = str(tmp_path / "other")
    code = main(["audit", "verify", str(tmp_path / "bundle"), option, other])
    told = capsys.readouterr()

    assert code in {1, 2}
    assert other in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_what_makes_a_checkpoint_is_told_to_whoever_gives_another_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bundle").write_bytes(b"")
    other = tmp_path / "README.md"
    other.write_text("# A page\n\nThat is no checkpoint.\n")
    code = main(["audit", "verify", str(tmp_path / "bundle"), "--against", str(other)])
    assert code == 2
    assert f"{other} is no checkpoint (" in (told := capsys.readouterr().err)
    assert "a file that holds what `roomlog audit checkpoint ROOM` printed" in told


def test_the_verifier_needs_nothing_else_of_roomlog(tmp_path: Path):
    source = Path(__file__).parents[3] / "src" / "roomlog" / "audit"
    alone = tmp_path / "roomlog" / "audit"
    alone.mkdir(parents=True)
    for name in ("verify_bundle.py", "bundle_format.py", "bundle_notes.py"):
        shutil.copy(source / name, alone)
    (tmp_path / "bundle").write_bytes(b"")
    script = "from roomlog.audit import verify_bundle as v; print(v.verify(open('bundle', 'rb')))"
    only = tmp_path / "packages"
    only.mkdir()
    packages = Path(cryptography.__file__).parents[1]
    for found in (*packages.glob("cryptography"), *packages.glob("*cffi*")):
        (only / found.name).symlink_to(found)
    told = subprocess.run(
        # -S: without the packages of this environment, but for the one that it needs.
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tmp_path}:{only}"},
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "not_a_bundle" in told.stdout


def replayed(stack: Stack, room: str, *options: str) -> str:
    told = stack.cli("audit", "replay", room, *options)
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_a_replay_shows_what_each_event_did(stack: Stack, api: Api, room: str):
    text = replayed(stack, room)
    events = events_of(api, room)
    sent = next(one["sequence"] for one in events if one["event"]["type"] == "message.sent")

    assert "opened the room" in text
    assert f"{ADA} made {ROB} responder" in text
    assert f"{ROB} said\n    checkout is slow" in text
    assert f"{ROB} edited {sent}\n    - checkout is slow" in text
    assert "\n    + checkout is **very** slow\n" in text
    assert f"{ADA} reacted 👀 to {sent}\n" in text
    assert "(no use)\n    - never mind\n" in text
    assert "status mitigated" in text


def test_nothing_that_was_said_can_move_the_terminals_cursor(stack: Stack, room: str):
    text = replayed(stack, room) + replayed(stack, room, "--as-of", "9999999999")

    assert r"checkout is slow\u202e" in text
    assert "\u202e" not in text


def test_a_replay_can_begin_and_end_anywhere(stack: Stack, api: Api, room: str):
    events = events_of(api, room)
    sequences = [one["sequence"] for one in events]
    begin, end = str(sequences[2]), str(sequences[4])
    lines = replayed(stack, room, "--from", begin, "--to", end, "--json").splitlines()
    told = [json.loads(line) for line in lines]
    since = replayed(
        stack, room, "--json", "--from", told[1]["appended_at"][:23] + "Z"
    ).splitlines()

    assert [one["sequence"] for one in told] == sequences[2:5]
    assert [one["event"] for one in told] == [one["event"] for one in events[2:5]]
    assert {json.loads(line)["sequence"] for line in since} <= set(sequences[2:])
    assert sequences[4] in {json.loads(line)["sequence"] for line in since}


def test_as_of_shows_the_room_as_it_stood(stack: Stack, api: Api, room: str):
    events = events_of(api, room)
    sent = next(one["sequence"] for one in events if one["event"]["type"] == "message.sent")
    then = replayed(stack, room, "--as-of", str(sent))
    told = [
        json.loads(line)
        for line in replayed(stack, room, "--as-of", str(sent), "--json").splitlines()
    ]

    assert "checkout is slow" in then
    assert "very" not in then
    past = api.get(ADA, f"/api/rooms/{room}/messages", as_of=sent)["items"]
    assert told == past[::-1]
    now = replayed(stack, room, "--as-of", "9999999999")
    assert "checkout is **very** slow\n    👀 ada@example.org" in now
    assert "never mind" not in now


def test_a_replay_that_follows_shows_what_happens_then(stack: Stack, api: Api):
    room = api.room(by=ADA)
    room.send(ADA, "before")
    process = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "roomlog", "audit", "replay", room.room_id, "--follow"),
            *("--data", str(stack.data)),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    ends = threading.Timer(FOLLOW_TIMEOUT_S, process.kill)
    ends.start()
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("before" in line for line in lines)
        room.send(ADA, "after")
        assert any("after" in line for line in lines)
    finally:
        ends.cancel()
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_speed_takes_the_time_that_it_took(stack: Stack, room: str):
    """At a pace at which nothing is left of the pauses, it shows the same."""
    assert replayed(stack, room, "--speed", "1e9") == replayed(stack, room)


def test_the_log_is_held_to_checkpoints_that_were_kept(stack: Stack, api: Api, tmp_path: Path):
    room = api.room(by=ADA)
    room.send(ADA, "before")
    assert stack.cli("audit", "replay", room.room_id).returncode == 0  # which is recorded
    kept = [tmp_path / name for name in ("room", "all", "trail")]
    for file, tree in zip(kept, ((room.room_id,), (), ("trail",)), strict=True):
        told = stack.cli("audit", "checkpoint", *tree)
        assert told.returncode == 0, told.stderr
        file.write_text(told.stdout)
    room.send(ADA, "after")

    told = stack.cli("audit", "compare", *map(str, kept))
    assert (told.returncode, told.stdout.count("in the log as they were")) == (0, 3), told.stderr

    # What the owner of the key could have signed, were the log another.
    key = parse_signing_key((stack.data / "secrets" / "audit_key").read_text())
    head = parse_tree_head(kept[0].read_text().partition("\n\n")[0] + "\n")
    other = msgspec.structs.replace(head, root=bytes(32))
    longer = msgspec.structs.replace(head, size=100)
    for file, one in zip(kept, (other, longer), strict=False):
        file.write_text(sign(one.text(), [key]))
    told = stack.cli("audit", "compare", *map(str, kept), "--json")
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 1
    assert [(one["holds"], one["detail"]) for one in found] == [
        (False, "they are not what they were"),
        (False, f"there are {head.size + 1} where there were 100"),
        (True, None),
    ]
    recorded = stack.cli("audit", "records", "--kind", "verification.failed").stdout
    assert f"audit compare: {head.origin}: they are not what they were" in recorded


def test_a_checkpoint_that_no_known_key_signed_says_nothing(stack: Stack, tmp_path: Path):
    foreign = SigningKey("roomlog.example.org", bytes(32))
    head = TreeHead(f"roomlog.example.org/e/rooms/{NO_ROOM}", 1, bytes(32))
    file = tmp_path / "foreign"
    file.write_text(sign(head.text(), [foreign]))
    told = stack.cli("audit", "compare", str(file))
    assert (told.returncode, told.stdout) == (1, "")
    assert "no known key signed" in told.stderr
    told = stack.cli("audit", "compare", str(file), "--key", str(foreign.verifier))
    assert (told.returncode, "there are 0 where there were 1" in told.stdout) == (1, True)
    for content in (b"", b"\xff", b"x" * 100_000, b"a\n1\nb\n\n"):
        file.write_bytes(content)
        told = stack.cli("audit", "compare", str(file))
        assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1)
