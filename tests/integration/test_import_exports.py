"""`roomlog import` of what Slack and Mattermost export."""

import json
import secrets
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from roomlog.core.chat_items import BadEntryError, ChatMember, ChatMessage, ChatReaction, ChatRoom
from roomlog.core.decide import Limits
from roomlog.services import chat_archive
from roomlog.services.chat_archive import ChatArchive
from roomlog.services.chat_file import DamagedFileError
from roomlog.services.chat_sources import MattermostFile, SlackArchive
from roomlog.services.identity import named_room_id
from tests.faults.load import logged_events
from tests.stack import Stack

_IMPORTER = "import@roomlog"
_USERS = [
    {"id": "U1", "name": "ana", "profile": {"email": "ana@example.org", "real_name": "Ana A"}},
    {"id": "U2", "name": "ben", "profile": {}},
    {"id": "U3", "name": "cleo", "profile": {}},
]
_DAY = [
    {"type": "message", "subtype": "channel_join", "user": "U2", "ts": "1512085940.000001"},
    {
        "type": "message",
        "user": "U1",
        "text": "db-7 is down <@U2>",
        "ts": "1512085950.000216",
        "edited": {"user": "U1", "ts": "1512085960.000000"},
        "reactions": [{"name": "eyes", "users": ["U2"], "count": 1}],
    },
    {
        "type": "message",
        "user": "U2",
        "text": "on it",
        "ts": "1512085970.000001",
        "thread_ts": "1512085950.000216",
    },
    {"type": "message", "subtype": "channel_leave", "user": "U2", "ts": "1512085990.000001"},
]


def slack_zip(path: Path, room: str, day: list[Any], *, folder: str = "") -> Path:
    channel = {
        "id": "C1",
        "name": room,
        "created": 1512000000,
        "members": ["U1", "U3"],
        "topic": {"value": "the  database"},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(f"{folder}users.json", json.dumps(_USERS))
        out.writestr(f"{folder}channels.json", json.dumps([channel]))
        out.writestr(f"{folder}dms.json", json.dumps([{"id": "D1", "members": ["U1", "U2"]}]))
        out.writestr(f"{folder}{room}/2017-11-30.json", json.dumps(day))
        out.writestr(f"{folder}{room}/canvas_in_the_conversation.json", "{}")
    return path


def mattermost_lines(room: str) -> list[dict[str, Any]]:
    membership = [{"name": "ops", "channels": [{"name": room}]}]
    post = {
        "team": "ops",
        "channel": room,
        "user": "ana",
        "message": "db-7 is down @ben",
        "create_at": 1512085950000,
        "edit_at": 1512085960000,
        "reactions": [{"user": "ben", "emoji_name": "eyes", "create_at": 1512085955000}],
        "replies": [{"user": "ben", "message": "on it", "create_at": 1512085970000}],
        "attachments": [{"path": "data/a.log"}],
    }
    joined = {
        "team": "ops",
        "channel": room,
        "user": "ben",
        "type": "system_join_channel",
        "message": "ben joined",
        "create_at": 1512085940000,
    }
    return [
        {"type": "version", "version": 1, "info": {"created": "2020-01-01T00:00:00Z"}},
        {"type": "team", "team": {"name": "ops", "display_name": "Ops", "type": "O"}},
        {
            "type": "channel",
            "channel": {"team": "ops", "name": room, "display_name": "The Database", "type": "O"},
        },
        {"type": "channel", "channel": {"team": "ops", "name": f"{room}-2", "type": "O"}},
        *(
            {"type": "user", "user": {"username": name, "email": mail, "teams": membership}}
            for name, mail in (("ana", "ana@example.org"), ("ben", ""), ("cleo", ""))
        ),
        {"type": "post", "post": post},
        {"type": "post", "post": joined},
        {"type": "direct_channel", "direct_channel": {"members": ["ana", "ben"]}},
        {"type": "direct_post", "direct_post": {"channel_members": ["ana", "ben"]}},
    ]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def new_room() -> str:
    return f"inc-{secrets.token_hex(6)}"


def imported(stack: Stack, path: Path, format_: str, *options: str) -> dict[str, Any]:
    done = stack.cli("import", str(path), "--format", format_, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(stack: Stack, room: str) -> list[tuple[Any, ...]]:
    """Type, actor, time, and who or what it is about, of each event."""
    events = logged_events(stack, named_room_id(room), _IMPORTER)
    about = ("user_id", "name", "content", "emoji")
    return [
        (
            e["event"]["type"],
            e["event"]["actor"],
            e["at"],
            next(filter(None, map(e["event"].get, about))),
        )
        for e in events
    ]


_ANA = "ana@example.org"


def test_a_slack_export_becomes_rooms_members_messages_edits_and_reactions(
    stack: Stack, tmp_path: Path
) -> None:
    room = new_room()
    result = imported(stack, slack_zip(tmp_path / "slack.zip", room, _DAY), "slack")
    assert (result["rooms"], result["messages"], result["edits"], result["reactions"]) == (
        *(1, 4, 1, 1),
    )
    assert (result["skipped"], result["direct_left_out"]) == (0, 1)
    assert told(stack, room) == [
        ("room.created", _IMPORTER, "2017-11-30T00:00:00.000Z", room),
        ("member.added", "ben", "2017-11-30T23:52:20.000Z", "ben"),
        ("member.added", _IMPORTER, "2017-11-30T23:52:30.000Z", _ANA),
        ("message.sent", _ANA, "2017-11-30T23:52:30.000Z", "db-7 is down @ben"),
        ("message.edited", _ANA, "2017-11-30T23:52:40.000Z", "db-7 is down @ben"),
        ("reaction.added", "ben", "2017-11-30T23:52:30.000Z", ":eyes:"),
        ("message.sent", "ben", "2017-11-30T23:52:50.000Z", "on it"),
        ("member.removed", "ben", "2017-11-30T23:53:10.000Z", "ben"),
        ("member.added", _IMPORTER, "2017-11-30T23:53:10.000Z", "cleo"),
    ]
    events = [e["event"] for e in logged_events(stack, named_room_id(room), _IMPORTER)]
    assert events[0]["title"] == "the database"
    assert events[6]["reply_to"] == events[3]["message_id"] == events[4]["message_id"]


def test_a_second_run_of_an_export_adds_nothing_and_a_later_export_what_is_new(
    stack: Stack, tmp_path: Path
) -> None:
    room = new_room()
    first = slack_zip(tmp_path / "first.zip", room, _DAY)
    added = imported(stack, first, "slack")["events_added"]
    again = imported(stack, first, "slack")
    assert (added, again["events_added"], again["already_there"]) == (9, 0, 4)
    later = json.loads(json.dumps(_DAY))
    later[2] |= {"text": "done", "edited": {"user": "U2", "ts": "1512089999.000000"}}
    later.append({"type": "message", "user": "U3", "text": "thanks", "ts": "1512090000.000000"})
    assert imported(stack, slack_zip(tmp_path / "b.zip", room, later), "slack")["events_added"] == 2
    assert told(stack, room)[-2:] == [
        ("message.edited", "ben", "2017-12-01T00:59:59.000Z", "done"),
        ("message.sent", "cleo", "2017-12-01T01:00:00.000Z", "thanks"),
    ]


def test_a_bad_entry_of_a_slack_export_is_named_with_its_file_and_place(
    stack: Stack, tmp_path: Path
) -> None:
    room = new_room()
    file = slack_zip(tmp_path / "s.zip", room, [_DAY[1], {**_DAY[2], "ts": "x"}], folder="export/")
    refused = stack.cli("import", str(file), "--format", "slack")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"{file}:{room}/2017-11-30.json:2: ts: 'x' is not a time" in refused.stderr
    left_out = imported(stack, file, "slack", "--skip-bad")
    assert (left_out["skipped"], left_out["messages"]) == (1, 1)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_mattermost_export_is_told_in_the_order_of_time(
    stack: Stack, tmp_path: Path, *, zipped: bool
) -> None:
    room = new_room()
    file = write_lines(tmp_path / "import.jsonl", mattermost_lines(room))
    if zipped:
        with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as out:
            out.write(file, "import.jsonl")
            out.writestr("data/a.log", "x" * 1000)
        file = tmp_path / "export.zip"
    result = imported(stack, file, "mattermost")
    assert (result["rooms"], result["messages"], result["edits"], result["reactions"]) == (
        *(2, 3, 1, 1),
    )
    assert result["direct_left_out"] == 1
    assert told(stack, room) == [
        ("room.created", _IMPORTER, "2017-11-30T23:52:20.000Z", room),
        ("member.added", "ben", "2017-11-30T23:52:20.000Z", "ben"),
        ("member.added", _IMPORTER, "2017-11-30T23:52:30.000Z", _ANA),
        ("message.sent", _ANA, "2017-11-30T23:52:30.000Z", "db-7 is down @ben"),
        ("message.edited", _ANA, "2017-11-30T23:52:40.000Z", "db-7 is down @ben"),
        ("reaction.added", "ben", "2017-11-30T23:52:35.000Z", ":eyes:"),
        ("message.sent", "ben", "2017-11-30T23:52:50.000Z", "on it"),
        ("member.added", _IMPORTER, "2017-11-30T23:52:50.000Z", "cleo"),
    ]
    events = [e["event"] for e in logged_events(stack, named_room_id(room), _IMPORTER)]
    assert events[0]["title"] == "The Database"
    assert events[3]["metadata"] == {"files": [{"name": "data/a.log"}]}
    assert events[6]["reply_to"] == events[3]["message_id"]
    assert [e[0] for e in told(stack, f"{room}-2")] == ["room.created"]
    assert imported(stack, file, "mattermost")["events_added"] == 0


def test_a_bad_line_of_a_mattermost_export_is_named_with_the_reply(tmp_path: Path) -> None:
    lines = mattermost_lines("ops")
    lines[7]["post"]["replies"].append(
        {"user": "ben", "message": "a\x00", "create_at": 1512085980000}
    )
    lines.append({"type": "post"})
    source = MattermostFile(write_lines(tmp_path / "m.jsonl", lines), Limits())
    faults = [(e.place, str(e.said)) for e in source.entries() if isinstance(e.said, BadEntryError)]
    source.close()
    assert faults == [
        ("12", "object missing required field post"),
        ("8: reply 2", "text: must not contain a NUL character"),
    ]


def test_rooms_of_several_teams_bear_the_teams_name(tmp_path: Path) -> None:
    lines = [{"type": "team", "team": {"name": "dev"}}, *mattermost_lines("ops")]
    source = MattermostFile(write_lines(tmp_path / "m.jsonl", lines), Limits())
    items = [i for e in source.entries() if not isinstance(e.said, BadEntryError) for i in e.said]
    source.close()
    assert {i.room for i in items} == {"ops/ops", "ops/ops-2"}
    assert {type(i) for i in items} >= {ChatRoom, ChatMember, ChatReaction}


def test_posts_of_one_author_and_moment_are_two(tmp_path: Path) -> None:
    post = {"team": "t", "channel": "c", "user": "ana", "message": "x", "create_at": 5}
    lines = [{"type": "post", "post": post}] * 2
    source = MattermostFile(write_lines(tmp_path / "m.jsonl", lines), Limits())
    said = [e.said for e in source.entries()]
    source.close()
    messages = [i for s in said if not isinstance(s, BadEntryError) for i in s]
    ids = [m.source_id for m in messages if isinstance(m, ChatMessage)]
    assert ids == ["mattermost:5:ana", "mattermost:5:ana:2"]


def test_what_is_no_export_is_refused_in_words(stack: Stack, tmp_path: Path) -> None:
    plain = tmp_path / "chat.jsonl"
    plain.write_text("{}\n")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as out:
        out.writestr("readme.txt", "x")
    for file, format_, expected in (
        (plain, "slack", "is no zip archive that can be read"),
        (other, "slack", "holds no channels.json"),
        (other, "mattermost", "holds no .jsonl file"),
        (other, "jsonl", "say --format slack or --format mattermost"),
    ):
        refused = stack.cli("import", str(file), "--format", format_)
        assert refused.returncode == 1
        assert expected in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_a_damaged_file_in_an_archive_is_told(tmp_path: Path) -> None:
    file = slack_zip(tmp_path / "s.zip", "ops", [{"text": secrets.token_hex(5000)}])
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo("ops/2017-11-30.json")
    data = bytearray(file.read_bytes())
    at = info.header_offset + 200
    data[at : at + 8] = struct.pack("<Q", 0)
    file.write_bytes(data)
    source = SlackArchive(file, Limits())
    with pytest.raises(DamagedFileError, match=r"2017-11-30\.json cannot be read"):
        list(source.entries())
    source.close()


def test_a_file_that_expands_too_far_is_refused_whatever_it_says_of_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a", b" " * 3_000_000)
        out.writestr("b", b" " * 3_000_000)
    archive = ChatArchive(file)
    with pytest.raises(BadEntryError, match="larger than 1000000 bytes"):
        archive.read("a", 1_000_000)
    archive.close()
    monkeypatch.setattr(chat_archive, "_EXPANDED_BYTES_ALWAYS", 4_000_000)
    archive = ChatArchive(file)
    assert len(archive.read("a", 4_000_000)) == 3_000_000
    with pytest.raises(DamagedFileError, match="expands to more than 200 times its size"):
        list(archive.lines("b", 1000))
    archive.close()
