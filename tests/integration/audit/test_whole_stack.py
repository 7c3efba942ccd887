"""The whole product: what is said is in the trees, through kills, rebuilds, redactions and damage.

Everything is verified by code of this test's own: the stored bytes as NATS gives them, RFC 9162's
definitions, and the signature as C2SP says it.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg
import httpx
import nats
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roomlog.embedded.tcp_ports import free_port
from roomlog.jetstream.log import JetStreamLog
from roomlog.ports import NewEvent
from roomlog_contract import stored as st
from tests.core import naive_tree
from tests.stack import Stack, data_directory, running_stack

DEADLINE_S = 90
GONE_ALREADY = 10043
ANA, AUDITOR = "ana@example.org", "auditor@example.org"
FREE = {"USER_MESSAGES_PER_SECOND": "0", "SPAM_GUARD": "off", "ROOM_MESSAGES_PER_SECOND": "0"}


@pytest.fixture
def stack() -> Generator[Stack]:
    with running_stack(**FREE) as running:
        yield running


class Client:
    """ANA's requests, and the auditor's."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack.base_url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, user: str = ANA, *roles: str) -> Any:
        answer = self.http.get(path, headers=self.stack.headers(user, *roles))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.http.post(path, json=body, headers=self.stack.headers(ANA))
        assert answer.is_success, answer.text
        return answer.json()

    def room(self) -> str:
        return self.post("/api/rooms", {"name": "checkout is down"})["room_id"]

    def talk(self, room_id: str, count: int) -> list[str]:
        with ThreadPoolExecutor(8) as several:
            sent = several.map(
                lambda n: self.post(f"/api/rooms/{room_id}/messages", {"content": f"message {n}"}),
                range(count),
            )
            return [one["message_id"] for one in sent]


async def stored_events(stack: Stack) -> dict[str, list[tuple[int, bytes]]]:
    """Every event that the log holds, by room, as NATS itself gives it."""
    connection = await nats.connect(stack.run["nats_url"])
    stream = connection.jetstream()
    info = await stream.stream_info("ROOMLOG")
    found: dict[str, list[tuple[int, bytes]]] = {}
    for sequence in range(1, info.state.last_seq + 1):
        try:
            message = await stream.get_msg("ROOMLOG", sequence, direct=True)
        except nats.js.errors.NotFoundError:
            continue
        room_id = (message.subject or "").removeprefix("ev.")
        found.setdefault(room_id, []).append((sequence, message.data or b""))
    await connection.close()
    return found


def leaf(sequence: int, data: bytes) -> bytes:
    # In an envelope's strings no quote stands without its backslash: the first is the body's.
    return sequence.to_bytes(8, "big") + data[: data.index(b',"body":{')] + b"}"


def un64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def signed_by(note: str, keys: list[str]) -> tuple[str, int, bytes]:
    """Origin, size and root of a note that one of the verifier keys signed."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    name, signature = signatures.removesuffix("\n").removeprefix("\u2014 ").split(" ")
    for key in keys:
        key_name, key_id, encoded = key.split("+", 2)
        if (key_name, bytes.fromhex(key_id)) == (name, un64(signature)[:4]):
            public = Ed25519PublicKey.from_public_bytes(un64(encoded)[1:])
            public.verify(un64(signature)[4:], text.encode())
            origin, size, root = text.splitlines()
            return origin, int(size), un64(root)
    raise AssertionError(f"nobody known signed {note}")


def until(found: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError(f"not within {DEADLINE_S} s: {what}")


async def audit_rows(stack: Stack) -> dict[str, list[tuple[Any, ...]]]:
    connection = await asyncpg.connect(stack.run["database_url"])
    found = {
        table: [
            tuple(row.values())
            for row in await connection.fetch(f"SELECT * FROM roomlog_audit.{table} ORDER BY 1, 2")
        ]
        for table in ("trees", "leaf_runs", "tree_nodes", "findings")
    }
    await connection.close()
    return found


def test_checkpoints_and_proofs_hold_the_log_to_what_was_said(stack: Stack):
    with Client(stack) as client:
        rooms = [client.room() for _ in range(3)]
        messages = client.talk(rooms[0], 300)
        client.talk(rooms[1], 20)
        kept = client.get(f"/api/rooms/{rooms[0]}/tree/checkpoint")
        kept_all = client.get("/api/checkpoint", AUDITOR, "auditor")
        for message in messages[:10]:
            edited = client.http.patch(
                f"/api/messages/{message}", json={"content": "x"}, headers=stack.headers(ANA)
            )
            assert edited.is_success, edited.text
            client.post(f"/api/messages/{message}/reactions", {"emoji": "👀"})
        client.talk(rooms[0], 300)

        events = asyncio.run(stored_events(stack))
        keys = [key["key"] for key in client.get("/api/audit/keys")["keys"]]
        leaves = {room: [leaf(*one) for one in events[room]] for room in rooms}
        for room in rooms:
            told = client.get(f"/api/rooms/{room}/tree/checkpoint")
            origin, size, root = signed_by(told["note"], keys)
            assert origin.endswith(f"/{told['epoch']}/rooms/{room}")
            assert (size, root) == (len(leaves[room]), naive_tree.root(leaves[room]))

        proved, all_of_it = leaves[rooms[0]], naive_tree.root(leaves[rooms[0]])
        assert len(proved) == 621
        for index in (0, 1, 255, 256, 400, 620):
            told = client.get(
                f"/api/rooms/{rooms[0]}/tree/inclusion?sequence={events[rooms[0]][index][0]}"
            )
            assert (told["index"], un64(told["root"])) == (index, all_of_it)
            assert un64(told["leaf_hash"]) == sha256(b"\x00" + proved[index]).digest()
            assert [un64(one) for one in told["hashes"]] == naive_tree.path(index, proved)

        _, old_size, old_root = signed_by(kept["note"], keys)
        told = client.get(f"/api/rooms/{rooms[0]}/tree/consistency?from={old_size}")
        assert (un64(told["from_root"]), un64(told["to_root"])) == (old_root, all_of_it)
        assert old_root == naive_tree.root(proved[:old_size])
        assert [un64(one) for one in told["hashes"]] == naive_tree.proof(old_size, proved)

        origin, count, root = signed_by(kept_all["note"], keys)
        assert count == 3
        place = origin.rpartition("/")[2]
        told = client.get(f"/api/rooms/{rooms[1]}/tree/head?sequences={place}", AUDITOR, "auditor")
        heads = [
            UUID(room).bytes + size.to_bytes(8, "big") + naive_tree.root(leaves[room][:size])
            for room in sorted(rooms)
            if (size := sum(s <= int(place) for s, _ in events[room]))
        ]
        assert (un64(told["root"]), root) == (naive_tree.root(heads), naive_tree.root(heads))
        index = sorted(rooms).index(rooms[1])
        assert [un64(one) for one in told["hashes"]] == naive_tree.path(index, heads)

        # The command line gives the very same.
        told = json.loads(stack.cli("audit", "checkpoint", rooms[0], "--json").stdout)
        assert told == client.get(f"/api/rooms/{rooms[0]}/tree/checkpoint")
        assert stack.cli("audit", "checkpoint", rooms[0]).stdout == told["note"]
        for command, path in [
            (("inclusion", rooms[0], str(events[rooms[0]][5][0])), "inclusion?sequence={}"),
            (("consistency", rooms[0], "7"), "consistency?from={}"),
        ]:
            said = stack.cli("audit", *command, "--json")
            asked = f"/api/rooms/{rooms[0]}/tree/{path.format(command[2])}"
            assert json.loads(said.stdout) == client.get(asked), said.stderr
            assert command[2] in stack.cli("audit", *command).stdout


def test_what_can_not_be_proved_is_told_with_what_to_do(stack: Stack, tmp_path: Path):
    nowhere = str(uuid4())
    for command in (
        ("checkpoint", nowhere),
        ("inclusion", nowhere, "1"),
        ("consistency", nowhere, "1"),
    ):
        done = stack.cli("audit", *command)
        assert done.returncode == 1
        assert "nothing is in the log under that id: see whether it is right" in done.stderr
    made = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers=stack.headers("ana@example.org"),
        json={"name": "proofs"},
        timeout=30,
    )
    done = stack.cli("audit", "consistency", made.json()["room_id"], "9")
    assert "from: a tree of 1 leaves has no beginning of that size" in done.stderr
    done = stack.cli("audit", "inclusion", made.json()["room_id"], "999999")
    assert (
        "the room has no event of sequence 999999: an event's `sequence` or a message's "
        "`sequence_number` names one" in done.stderr
    )
    other = tmp_path / "README.md"
    other.write_text("# A page\n\nThat is no checkpoint.\n")
    done = stack.cli("audit", "compare", str(other))
    assert done.returncode == 1
    assert (
        f"{other} is no signed checkpoint, which `roomlog audit checkpoint` prints" in done.stderr
    )


def test_trees_survive_kills_of_the_projector_and_a_rebuild_does_not_touch_them(stack: Stack):
    with Client(stack) as client:
        room = client.room()
        for _ in range(3):
            client.talk(room, 60)
            projector = stack.run["pids"]["projector"]
            os.kill(projector, signal.SIGKILL)
            client.talk(room, 60)
            until(lambda old=projector: stack.run["pids"]["projector"] != old, "a new projector")
        told = until(
            lambda: _answered(client, f"/api/rooms/{room}/tree/checkpoint"), "a checkpoint"
        )
        leaves = [leaf(*one) for one in asyncio.run(stored_events(stack))[room]]
        assert len(leaves) == 361
        assert (told["size"], un64(told["root"])) == (361, naive_tree.root(leaves))

        before = asyncio.run(audit_rows(stack))
        assert sum(row[2] for row in before["trees"]) == 361
        rebuilt = stack.cli("projections", "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert asyncio.run(audit_rows(stack)) == before

        checked = stack.cli("audit", "check")
        assert (checked.returncode, "is what the trees" in checked.stdout) == (0, True)


def _answered(client: Client, path: str) -> Any:
    answer = client.http.get(path, headers=client.stack.headers(ANA))
    return answer.json() if answer.status_code == 200 else None


async def explain(stack: Stack, room_id: str, sequence: int) -> None:
    """Append what explains that the event there is erased."""
    data = dict((await stored_events(stack))[room_id])[sequence]
    event_id = str(UUID(int=sequence))
    redaction = st.encode_stored(
        type="message.redacted",
        id=event_id,
        room_id=room_id,
        actor="admin@example.org",
        at="2026-01-31T09:15:00.000Z",
        message_id=json.loads(data)["id"],
        body=st.MessageRedactedBody(
            redacted_sequence=sequence, redacted_envelope=leaf(0, data)[8:].decode(), salt="00"
        ),
    )
    log = await JetStreamLog.connect(stack.run["nats_url"])
    await log.append(room_id, [NewEvent(event_id, redaction)])
    await log.close()


def erase(data: Path, sequence: int) -> None:
    """What whoever has the disks can do: a server of their own on the same store."""
    port = free_port()
    configuration = data / "operator.conf"
    configuration.write_text(
        f'listen: "127.0.0.1:{port}"\nstore_dir: "{data / "nats" / "store"}"\njetstream {{}}\n'
    )
    binary = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert binary is not None
    server = subprocess.Popen([binary, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_erase(port, sequence))
    finally:
        server.terminate()
        server.wait(DEADLINE_S)


async def _erase(port: int, sequence: int) -> None:
    connection = await nats.connect(
        f"nats://127.0.0.1:{port}", max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        try:
            assert await connection.jetstream().delete_msg("ROOMLOG", sequence)
            break
        except nats.js.errors.BadRequestError as error:
            if error.err_code != GONE_ALREADY:  # whoever finishes redactions was there before
                raise
            break
        except (nats.js.errors.ServiceUnavailableError, nats.js.errors.NotFoundError):
            await asyncio.sleep(0.1)  # its streams are not there yet
    else:
        raise AssertionError("the log was not served")
    await connection.close()


def status(stack: Stack) -> tuple[int, dict[str, Any]]:
    said = stack.cli("audit", "status", "--json")
    return said.returncode, json.loads(said.stdout)["partitions"][0]


def test_an_explained_hole_changes_no_tree_and_any_other_raises_the_alarm():
    data = data_directory()
    with running_stack(data=data, **FREE) as stack, Client(stack) as client:
        room = client.room()
        client.talk(room, 30)
        before = asyncio.run(stored_events(stack))[room]
        redacted, taken = before[10][0], before[20][0]
        asyncio.run(explain(stack, room, redacted))
        # Whoever finishes redactions may have erased it by now.
        why = asyncio.run(stored_events(stack))[room][-1]
        leaves = [leaf(*one) for one in (*before, why)]
        told = client.get(f"/api/rooms/{room}/tree/checkpoint")
        assert un64(told["root"]) == naive_tree.root(leaves)

    erase(data, redacted)
    with running_stack(data=data, **FREE) as stack, Client(stack) as client:
        path = f"/api/rooms/{room}/tree"
        assert redacted not in dict(asyncio.run(stored_events(stack))[room])
        proof = client.get(f"{path}/inclusion?sequence={redacted}")
        assert [un64(one) for one in proof["hashes"]] == naive_tree.path(10, leaves)

        # Made anew from a log that lacks the event, the tree is the same.
        assert stack.cli("audit", "rebuild").returncode == 0
        again = until(lambda: _answered(client, f"{path}/checkpoint"), "the trees made anew")
        assert again["note"] == told["note"]
        assert stack.cli("audit", "check").returncode == 0
        assert (status(stack)[0], status(stack)[1]["findings"]) == (0, 0)

    # Another old event is taken out, and nothing explains it.
    erase(data, taken)
    with running_stack(data=data, **FREE) as stack, Client(stack) as client:
        code, found = until(lambda: _if_failed(status(stack)), "the alarm")
        assert (code, found["unexplained"], found["findings"]) == (1, 1, 1)
        checked = stack.cli("audit", "check", "--json")
        assert checked.returncode == 1
        first = json.loads(checked.stdout)["mismatches"][0]
        assert (first["room_id"], first["sequence"]) == (None, taken)
        gauge = 'roomlog_tree_unexplained_events{partition="0"} 1.0'
        assert gauge in client.http.get("/metrics").text
        assert "no redaction explains it" in (data / "logs" / "projector.log").read_text()

        # What was proved before is proved still, and talk goes on.
        assert client.get(f"{path}/checkpoint?size={told['size']}")["note"] == told["note"]
        client.talk(room, 5)
        assert client.get(f"{path}/checkpoint")["size"] == told["size"] + 5
    shutil.rmtree(data, ignore_errors=True)


def _if_failed(found: tuple[int, dict[str, Any]]) -> tuple[int, dict[str, Any]] | None:
    return found if found[0] else None


def test_keys_are_private_and_rotate_and_checkpoints_go_elsewhere(tmp_path: Path):
    data = data_directory()
    settings = {**FREE, "CHECKPOINT_FOLDER": str(tmp_path), "CHECKPOINT_SECONDS": "1"}
    with running_stack(data=data, **settings) as stack, Client(stack) as client:
        room = client.room()
        file = data / "secrets" / "audit_key"
        assert file.stat().st_mode & 0o777 == 0o600
        old = client.get(f"/api/rooms/{room}/tree/checkpoint")
        old_keys = stack.cli("audit", "keys").stdout.split()
        assert signed_by(old["note"], old_keys)[1] == 1

        made = stack.cli("audit", "new-key")
        assert made.returncode == 0, made.stderr
        assert made.stdout.split() == stack.cli("audit", "keys").stdout.split()[:1]
        assert file.stat().st_mode & 0o777 == 0o600
        file_seen = until(lambda: sorted(tmp_path.glob("*.checkpoint")), "a file elsewhere")
        assert signed_by(file_seen[-1].read_text(), old_keys)[1] <= 1

    with running_stack(data=data, **settings) as stack, Client(stack) as client:
        keys = client.get("/api/audit/keys")["keys"]
        assert [key["current"] for key in keys] == [True, False]
        assert keys[1]["key"] == old_keys[0]
        new = client.get(f"/api/rooms/{room}/tree/checkpoint")
        assert new["note"] != old["note"]
        assert (new["origin"], new["root"]) == (old["origin"], old["root"])
        assert signed_by(new["note"], [keys[0]["key"]])[1] == 1
        assert signed_by(old["note"], [key["key"] for key in keys])[1] == 1
    assert "PRIVATE" not in "".join(p.read_text() for p in (data / "logs").glob("*.log"))
    shutil.rmtree(data, ignore_errors=True)
