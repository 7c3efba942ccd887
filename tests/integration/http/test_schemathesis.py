"""schemathesis against a running server: all its phases, with all its checks on.

It is given the document as any user gets it. What it can't know from there stands in
`fuzzing/schemathesis.toml` and `fuzzing/hooks.py`, with the reasons.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.house.repository import ROOT
from tests.integration.http.api import ADMIN, ANA, AUDITOR, BEN, Api
from tests.integration.http.conformance import operations, resolve
from tests.integration.http.fuzzing.hooks import WORLD
from tests.stack import running_stack

FOLDER = Path(__file__).parent / "fuzzing"
# It takes two minutes on a quiet machine, and five times as long on one that is not.
TIMEOUT_S = 840


@pytest.fixture
def limited() -> Generator[Api]:
    """A server whose limits are told and never met."""
    with running_stack(
        USER_MESSAGES_PER_SECOND="10000", ROOM_MESSAGES_PER_SECOND="10000", SPAM_GUARD="off"
    ) as stack:
        running = Api(stack)
        yield running
        running.client.close()


def world(api: Api) -> dict[str, object]:
    """A room of ANA's as the examples have it, with a message for each operation."""
    remove = operations()["DELETE", "/api/messages/{message_id}/reactions/{emoji}"]
    put = operations()["PUT", "/api/rooms/{room_id}/members/{user_id}"]
    given = {
        p["name"]: p["schema"]["examples"][0]
        for o in (remove, put)
        for p in map(resolve, o["parameters"])
    }
    room = api.room((given["user_id"], "responder"))
    messages = {}
    for operation in operations().values():
        message = room.send(ANA, "to be asked about")["message_id"]
        path, reaction = f"/api/messages/{message}/reactions", {"emoji": given["emoji"]}
        assert api.call(ANA, "POST", path, json=reaction).status_code == 200
        messages[operation["operationId"]] = message
    # The audit trail has something to tell.
    assert api.call(AUDITOR, "GET", f"{room.path}/messages").status_code == 200
    return {"room_id": room.room_id, "messages": messages}


def users(api: Api, path: Path) -> Path:
    """Who asks, as a file of Web Fuzzing Commons: ANA, who may also broadcast, and BEN."""
    tokens = {"ana": api.stack.token(ANA, "service"), "ben": api.stack.token(BEN)}
    entries = [
        {
            "name": name,
            "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}],
        }
        for name, token in tokens.items()
    ]
    path.write_text(json.dumps({"auth": entries}))
    return path


@pytest.mark.timeout(900)
def test_it_finds_nothing(limited: Api, tmp_path: Path) -> None:
    told = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(FOLDER / "schemathesis.toml")),
            *("run", f"{limited.stack.base_url}/schema/openapi.json", "--no-color"),
            *("--checks", "all", "--continue-on-failure"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.integration.http.fuzzing.hooks",
            "ROOMLOG_FUZZING_ADMIN": limited.stack.token(ADMIN, "admin"),
            "ROOMLOG_FUZZING_AUDITOR": limited.stack.token(AUDITOR, "auditor"),
            "ROOMLOG_FUZZING_USERS": str(users(limited, tmp_path / "users.json")),
            WORLD: json.dumps(world(limited)),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    # Its output names the seed, and how to ask again.
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-4_000:]
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in told.stdout, told.stdout[-4_000:]
