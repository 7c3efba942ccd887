"""The shell's parts that need no server."""

import ast
import asyncio
import base64
import json
import re
import time
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest

from roomlog_client import ClosedError, RoomlogClient
from roomlog_client.connection import read_lines
from roomlog_client.core import inputs as inp
from roomlog_client.keys import new_key
from roomlog_client.queue_file import STALE_LINES_MAX, QueueFile
from roomlog_client.tokens import Tokens
from roomlog_contract import frames as fr

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE = _ROOT / "src/roomlog_client"


def _item(number: int) -> inp.StoredItem:
    return inp.StoredItem("room", f"key-{number}", "ada@example.org", {"type": "send"})


def test_a_key_is_a_uuid_of_this_moment_and_of_no_other():
    before_ms = time.time_ns() // 1_000_000
    keys = [UUID(new_key()) for _ in range(1000)]
    after_ms = time.time_ns() // 1_000_000

    assert len(set(keys)) == len(keys)
    assert {(key.version, key.variant) for key in keys} == {(7, "specified in RFC 4122")}
    assert all(before_ms <= key.int >> 80 <= after_ms for key in keys)


def test_the_queue_file_keeps_what_was_stored_and_not_forgotten_in_order(tmp_path: Path):
    path = tmp_path / "queue"
    queue = QueueFile(path)
    for number in range(5):
        queue.store(_item(number))
    queue.forget(("room", "key-1"))
    queue.forget(("room", "never there"))
    queue.close()

    again = QueueFile(path)

    assert list(again.items.values()) == [_item(n) for n in (0, 2, 3, 4)]
    again.close()


@pytest.mark.parametrize("torn_bytes", [1, 20, 60])
def test_a_line_that_was_being_written_when_the_machine_went_down_is_none(
    tmp_path: Path, torn_bytes: int
):
    path = tmp_path / "queue"
    queue = QueueFile(path)
    queue.store(_item(0))
    whole = path.read_bytes()
    queue.store(_item(1))
    queue.close()
    path.write_bytes(path.read_bytes()[: len(whole) + torn_bytes])

    again = QueueFile(path)
    again.store(_item(2))
    again.close()

    last = QueueFile(path)
    assert list(last.items.values()) == [_item(0), _item(2)]
    last.close()


def test_the_queue_file_does_not_grow_for_ever(tmp_path: Path):
    path = tmp_path / "queue"
    queue = QueueFile(path)
    queue.store(_item(0))
    for number in range(1, STALE_LINES_MAX):
        queue.store(_item(number))
        queue.forget(("room", f"key-{number}"))

    assert len(path.read_bytes().splitlines()) <= STALE_LINES_MAX + 2
    assert list(queue.items.values()) == [_item(0)]
    queue.close()


def _jwt(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.signature"


async def test_a_token_says_when_it_expires_and_whose_it_is():
    tokens = Tokens(_jwt(sub="zoë@example.org", exp=1_800_000_000.25))

    fetched = await tokens.fetch()

    assert tokens.user_id == "zoë@example.org"
    assert fetched.expires_at_ms == 1_800_000_000_250


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.W10.c", "é.é"])
async def test_a_token_that_says_nothing_of_itself_is_taken_all_the_same(text: str):
    tokens = Tokens(text)

    assert tokens.user_id is None
    assert await tokens.fetch() == inp.Token(text, None)


async def test_tokens_come_from_a_function_each_time_and_the_last_one_is_remembered():
    made: list[str] = []

    async def source() -> str:
        made.append(f"token {len(made)}")
        return made[-1]

    tokens = Tokens(source)

    assert await tokens.current() == "token 0"
    assert await tokens.current() == "token 0"
    assert (await tokens.fetch()).token == "token 1"
    tokens.replace(lambda: "another")
    assert await tokens.current() == "another"


def test_lines_are_read_one_by_one_and_what_is_not_known_is_passed_over():
    known = b'{"type":"live","room_id":"r","sequence":3}'
    new_event = (
        b'{"type":"event","room_id":"r","sequence":4,"prev_sequence":3,"at":"",'
        b'"event":{"type":"room.renamed","id":"1","actor":"a"},"more":1}'
    )
    lines = [known, b"", b'{"type":"news"}', new_event, b"nonsense", b" ", known]

    inputs = read_lines(b"\n".join(lines))

    live = inp.Frame(fr.Live(room_id="r", sequence=3))
    assert [inputs[0], inputs[2]] == [live, live]
    assert isinstance(inputs[1], inp.UnreadableFrame)
    assert (inputs[1].frame.sequence, inputs[1].frame.prev_sequence) == (4, 3)
    assert len(inputs) == 3


def _limits() -> dict[str, float]:
    limits: dict[str, float] = {}
    for path in _PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(_ROOT / "src").with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                constant = node.targets[0].id
                if re.fullmatch(r"[A-Z]\w*(_MAX|_MS|_MS_DEFAULT)", constant):
                    limits[f"{path.stem}.{constant}"] = getattr(import_module(name), constant)
    return limits


def test_every_limit_of_the_client_is_documented_with_its_value():
    guide = (_ROOT / "docs/client/python.md").read_text()
    specification = (_ROOT / "docs/client/specification.md").read_text()
    named = re.findall(r"^\| `([\w.]+)` \| (\d+) \|", guide + specification, re.MULTILINE)
    documented = {name.rpartition(".")[2]: int(value) for name, value in named}
    limits = _limits()

    assert len({name.partition(".")[2] for name in limits}) == len(limits)
    assert {name.partition(".")[2]: value for name, value in limits.items()} == documented


def test_the_client_stands_on_the_contract_and_three_libraries():
    used = {
        name.split(".")[0]
        for path in _PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    import sys

    assert used - set(sys.stdlib_module_names) == {
        *("roomlog_client", "roomlog_contract"),
        *("httpx", "msgspec", "websockets"),
    }


async def test_who_asks_when_the_client_closes_or_is_closed_is_told_so():
    asked, left = asyncio.Event(), asyncio.Event()

    async def answers_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(answers_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = RoomlogClient(f"http://127.0.0.1:{port}", token=_jwt(sub="ada@example.org"))
        asking = asyncio.create_task(client.rooms())
        await asked.wait()
        await client.close()

        for question in (asking, client.rooms()):
            with pytest.raises(ClosedError) as closed:
                await question
            assert closed.value.code == "closed_by_user"
        await left.wait()
