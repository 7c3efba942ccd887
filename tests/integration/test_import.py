"""`roomlog import` against a running log."""

import asyncio
import gzip
import json
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from roomlog.core.decide import Limits
from roomlog.jetstream.log import JetStreamLog
from roomlog.services.chat_sources import line_entry
from roomlog.services.identity import named_room_id
from roomlog.services.import_service import ImportReport, ImportService, OnProgress
from tests.faults.load import logged_events
from tests.stack import Stack, clean_environment

_IMPORTER = "import@roomlog"


def lines(room: str, *fields: dict[str, Any]) -> list[dict[str, Any]]:
    base = {"room": room, "at": "2017-03-01T10:00:00Z", "kind": "message", "sender": "ana"}
    return [{**base, "text": f"line {n}", **given} for n, given in enumerate(fields)]


def new_room() -> str:
    return f"ops-{secrets.token_hex(6)}"


def write(path: Path, content: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in content))
    return path


def imported(stack: Stack, path: Path, *options: str) -> dict[str, Any]:
    done = stack.cli("import", str(path), "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def messages(stack: Stack, room: str) -> list[dict[str, Any]]:
    events = logged_events(stack, named_room_id(room), _IMPORTER)
    return [e for e in events if e["event"]["type"] == "message.sent"]


def test_events_keep_time_sender_order_and_text(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    content = lines(
        room,
        {"text": "if (a<b) {x>y} List<String>"},
        {"text": "", "sender": "ben", "at": "2017-03-01T10:00:01.5+01:00"},
        {"text": "waves", "kind": "action"},
        {"text": "ana_", "kind": "rename"},
    )
    result = imported(stack, write(tmp_path / "chat.jsonl", content))
    assert (result["rooms"], result["messages"], result["events_added"]) == (1, 4, 7)
    events = logged_events(stack, named_room_id(room), _IMPORTER)
    assert [e["event"]["type"] for e in events] == [
        "room.created",
        "member.added",
        "message.sent",
        "member.added",
        *["message.sent"] * 3,
    ]
    assert events[0]["event"]["name"] == room
    assert (events[3]["event"]["user_id"], events[3]["event"]["role"]) == ("ben", "responder")
    assert events[3]["at"] == "2017-03-01T09:00:01.500Z"
    sent = [e["event"] for e in events if e["event"]["type"] == "message.sent"]
    assert [e["content"] for e in sent] == [line["text"] for line in content]
    assert [e["actor"] for e in sent] == ["ana", "ben", "ana", "ana"]
    assert sent[2]["metadata"] == {"action": True}
    assert sent[3]["message_type"] == "system"
    assert sent[3]["metadata"] == {"event": "imported", "kind": "rename"}


def test_a_second_run_adds_nothing_and_equal_lines_stay_apart(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    file = write(tmp_path / "chat.jsonl", lines(room, *[{"text": "same"}] * 3, {"text": "else"}))
    assert imported(stack, file)["events_added"] == 6
    again = imported(stack, file)
    assert (again["events_added"], again["already_there"], again["messages"]) == (0, 4, 4)
    assert [e["event"]["content"] for e in messages(stack, room)] == ["same"] * 3 + ["else"]


def test_what_was_redacted_is_not_brought_in_again(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    content = lines(room, {"text": "a password"}, {"text": "another", "id": "17"}, {"text": "else"})
    file = write(tmp_path / "chat.jsonl", content)
    imported(stack, file)
    for message in messages(stack, room)[:2]:
        answer = httpx.post(
            f"{stack.base_url}/api/messages/{message['event']['message_id']}/redact",
            json={"reason": "a password"},
            headers=stack.headers("admin@example.org", "admin"),
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
    before = logged_events(stack, named_room_id(room), _IMPORTER)

    again = imported(stack, file)

    assert (again["events_added"], again["already_there"]) == (0, 3)
    assert logged_events(stack, named_room_id(room), _IMPORTER) == before
    assert [e["event"]["content"] for e in messages(stack, room)] == ["else"]


def test_a_longer_file_adds_only_what_is_new(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    content = lines(room, {}, {}, {"sender": "cleo"}, {})
    imported(stack, write(tmp_path / "chat.jsonl", content[:2]))
    assert imported(stack, write(tmp_path / "chat.jsonl", content))["events_added"] == 3
    assert [e["event"]["content"] for e in messages(stack, room)] == [c["text"] for c in content]


def test_many_messages_of_many_rooms_in_gzip_keep_their_order(stack: Stack, tmp_path: Path) -> None:
    rooms = [new_room() for _ in range(3)]
    file = tmp_path / "chat.jsonl.gz"
    content = [line for n in range(700) for r in rooms for line in lines(r, {"text": f"{r} {n}"})]
    with gzip.open(file, "wt") as out:
        out.writelines(json.dumps(line) + "\n" for line in content)
    assert imported(stack, file)["events_added"] == 3 * 702
    for room in rooms:
        said = [e["event"]["content"] for e in messages(stack, room)]
        assert said == [f"{room} {n}" for n in range(700)]


def test_replies_name_the_message_made_from_the_id(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    content = lines(room, {"id": "a", "reply_to": "b"}, {"id": "b", "sender": "ben"})
    file = write(tmp_path / "chat.jsonl", content)
    imported(stack, file)
    first, second = (e["event"] for e in messages(stack, room))
    assert first["reply_to"] == second["message_id"]
    assert imported(stack, file)["events_added"] == 0


def test_an_id_used_for_two_messages_is_refused(stack: Stack, tmp_path: Path) -> None:
    file = write(tmp_path / "chat.jsonl", lines(new_room(), {"id": 1}, {"id": 1}))
    refused = stack.cli("import", str(file))
    assert refused.returncode == 1
    assert f"{file}:2: id: '1' was used for another message before" in refused.stderr


def test_a_bad_line_ends_the_import_with_what_came_before_it_in(
    stack: Stack, tmp_path: Path
) -> None:
    room = new_room()
    file = write(tmp_path / "chat.jsonl", lines(room, {}, {"text": "a\x00b"}, {}))
    refused = stack.cli("import", str(file))
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"{file}:2: text: must not contain a NUL character" in refused.stderr
    assert [e["event"]["content"] for e in messages(stack, room)] == ["line 0"]
    result = imported(stack, file, "--skip-bad")
    assert (result["skipped"], result["already_there"], result["messages"]) == (1, 1, 2)
    assert [e["event"]["content"] for e in messages(stack, room)] == ["line 0", "line 2"]


def test_a_damaged_archive_is_told(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl.gz"
    content = "".join(json.dumps(line) + "\n" for line in lines(new_room(), *[{}] * 1000))
    file.write_bytes(gzip.compress(content.encode())[:-200])
    refused = stack.cli("import", str(file))
    assert refused.returncode == 1
    assert f"{file}: cannot be read beyond line" in refused.stderr


def test_a_member_who_was_removed_stays_removed(stack: Stack, tmp_path: Path) -> None:
    room = new_room()
    content = lines(room, {}, {"sender": "ben"}, {"sender": "ben"})
    imported(stack, write(tmp_path / "chat.jsonl", content[:2]))
    url = f"{stack.base_url}/api/rooms/{named_room_id(room)}/members/ben"
    removed = httpx.delete(url, headers=stack.headers(_IMPORTER), timeout=30)
    assert removed.is_success, removed.text
    assert imported(stack, write(tmp_path / "chat.jsonl", content))["events_added"] == 1


def test_a_missing_file_is_wrong_use(stack: Stack, tmp_path: Path) -> None:
    refused = stack.cli("import", str(tmp_path / "none.jsonl"))
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


def test_an_import_that_was_killed_is_run_again_and_doubles_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    room = new_room()
    texts = [f"{n} {'x' * 2000}" for n in range(6000)]
    file = write(tmp_path / "chat.jsonl", lines(room, *[{"text": text} for text in texts]))
    command = [sys.executable, "-m", "roomlog", "import", str(file), "--data", str(stack.data)]
    running = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.PIPE)
    deadline_s = time.monotonic() + 60
    while running.poll() is None and not begun(stack, room):
        assert time.monotonic() < deadline_s
    running.kill()
    running.communicate()
    before = len(messages(stack, room))
    assert imported(stack, file)["messages"] == 6000
    assert [e["event"]["content"] for e in messages(stack, room)] == texts
    assert before > 0


async def test_an_import_that_broke_off_anywhere_is_completed_in_order(stack: Stack) -> None:
    class BrokenOffError(Exception):
        pass

    def break_off_beyond(enough: int) -> OnProgress:
        def break_off(report: ImportReport) -> None:
            if report.events_added > enough:
                raise BrokenOffError

        return break_off

    room = new_room()
    texts = [str(n) for n in range(3000)]
    content = [
        line_entry(n, json.dumps(line).encode(), Limits())
        for n, line in enumerate(lines(room, *[{"text": text} for text in texts]), 1)
    ]
    log = await JetStreamLog.connect(stack.run["nats_url"])
    try:
        for enough in (0, 300):
            with pytest.raises(BrokenOffError):
                await ImportService(log).run(content, on_progress=break_off_beyond(enough))
        report = await ImportService(log).run(content)
    finally:
        await log.close()
    assert 0 < report.already_there < len(texts)
    assert report.events_added == len(texts) - report.already_there
    said = await asyncio.to_thread(messages, stack, room)
    assert [e["event"]["content"] for e in said] == texts


def begun(stack: Stack, room: str) -> bool:
    url = f"{stack.base_url}/api/rooms/{named_room_id(room)}/events"
    return httpx.get(url, headers=stack.headers(_IMPORTER)).status_code == 200
