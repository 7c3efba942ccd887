"""Backup and restore of the whole product, by its own command line, while it runs."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.embedded.waiting import eventually
from tests.stack import Stack, clean_environment, data_directory, run_command, running_stack

USER = "ada@example.org"


def asking(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.base_url, headers=stack.headers(USER, "admin"), timeout=30)


def made_room(client: httpx.Client, messages: int) -> str:
    headers = {"Idempotency-Key": "room"}
    made = client.post("/api/rooms", json={"name": "restored"}, headers=headers)
    room = made.raise_for_status().json()["room_id"]
    for number in range(messages):
        said = client.post(
            f"/api/rooms/{room}/messages",
            json={"content": f"message {number}"},
            headers={"Idempotency-Key": f"message {number}"},
        )
        said.raise_for_status()
    return room


def answers(client: httpx.Client, room: str) -> list[dict[str, object]]:
    """What clients read of a room: its events, its history now and as of a moment, its members."""
    events = client.get(f"/api/rooms/{room}/events?limit=500").raise_for_status().json()
    paths = [
        *("messages?limit=500", f"messages?limit=500&as_of={events['items'][7]['sequence']}"),
        f"messages?as_of={events['items'][9]['at'].replace('+', '%2B')}",
        *("members", "stats"),
    ]
    return [
        events,
        *(client.get(f"/api/rooms/{room}/{path}").raise_for_status().json() for path in paths),
    ]


def cli_that_writes_little(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command that can make no file longer than a kilobyte, as on a disk that is full."""
    return subprocess.run(
        [
            *("sh", "-c", 'ulimit -f 1; exec "$@"', "sh"),
            *(sys.executable, "-m", "roomlog", *arguments, "--data", str(stack.data)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environment(),
        check=False,
    )


def open_to_others(folder: Path) -> list[str]:
    """What others could read or look into, were the folder itself opened to them."""
    there = [path for path in folder.rglob("*") if not path.is_symlink()]
    assert there
    return [str(path) for path in there if path.stat().st_mode & 0o077]


def test_what_clients_read_is_the_same_after_a_restore(tmp_path: Path):
    backup, data = tmp_path / "backup", data_directory()
    with running_stack(SPAM_GUARD="off", USER_MESSAGES_PER_SECOND="0") as stack:
        with asking(stack) as client:
            room = made_room(client, 20)
            client.put(
                f"/api/rooms/{room}/read-marker",
                json={"sequence": 5},
                headers={"Idempotency-Key": "marker"},
            ).raise_for_status()

            def trees_are_there() -> bool:
                told = json.loads(stack.cli("audit", "status", "--json").stdout)
                return all(not one["events"] for one in told["partitions"])

            eventually(trees_are_there)
            full = cli_that_writes_little(stack, "backup", str(backup))
            assert full.returncode == 1
            assert f"nothing was backed up: cannot write into {backup} (File too large)" in (
                full.stderr
            )
            told = json.loads(stack.cli("backup", str(backup), "--json").stdout)
            assert told["events"] == 21
            assert told["tables"]
            assert told["trees"]
            before = answers(client, room)
            listed = client.get("/api/rooms").json()
            checkpoint = stack.cli("audit", "checkpoint", room).stdout
        secret = stack.secret
    assert open_to_others(backup) == []
    restored = run_command(data, "restore", str(backup), "--force", "--json")
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["compared"] == [
        "every event",
        "the checkpoints of the tables",
        "the heads of the trees",
    ]

    # In place of what is there, too: both are everything that was said, and the keys.
    again = run_command(data, "restore", str(backup), "--force")
    assert again.returncode == 0, again.stderr
    assert len([*data.glob("nats.before-*")]) == 1
    assert open_to_others(data) == []

    with running_stack(data=data) as again, asking(again) as client:
        assert again.secret == secret
        assert answers(client, room) == before
        assert client.get("/api/rooms").json() == listed
        assert again.cli("projections", "verify").returncode == 0
        # Signed with the same key: the tree is the same, to the byte.
        assert again.cli("audit", "checkpoint", room).stdout == checkpoint
        # A key that was used before is known; a new one goes on where the log ended.
        repeated = client.post(
            f"/api/rooms/{room}/messages",
            json={"content": "message 3"},
            headers={"Idempotency-Key": "message 3"},
        )
        assert repeated.headers["Idempotency-Replayed"] == "true"
        new = client.post(
            f"/api/rooms/{room}/messages",
            json={"content": "after the restore"},
            headers={"Idempotency-Key": "after"},
        )
        assert new.json()["sequence_number"] == listed["items"][0]["head"] + 1


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_without_servers_backup_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...]):
    result = run_command(
        tmp_path / "data", "backup", str(tmp_path / "backup"), *arguments, timeout_s=60
    )
    assert result.returncode == 1
    assert "NATS_URL" in result.stderr
