"""What somebody else holds of a room, checkpoints and bundles, verifies for ever: after a
redaction, its scrub, a rebuild of tables and trees, and a restore. By the command line alone."""

import json
from pathlib import Path
from typing import Any

from tests.integration.audit.test_bundles import run
from tests.integration.audit.test_unfinished_redactions import Pasted, until
from tests.stack import Stack, data_directory, run_command, running_stack


class Auditor:
    """Keeps what they are given in a folder of their own, and asks of the server nothing but
    what it gives to anybody."""

    def __init__(self, folder: Path, stack: Stack, room: str) -> None:
        self.folder, self.room = folder, room
        self.key = folder / "key"
        self.key.write_text(_told(stack, "audit", "keys"))
        self.held = folder / "held"
        self.held.write_text(_told(stack, "audit", "checkpoint", room))
        self.bundle = folder / "bundle.html"
        _told(stack, "audit", "export", room, "-o", str(self.bundle))

    def verdict(self, bundle: Path) -> dict[str, Any]:
        """What is said of a bundle where there is no server, against the held checkpoint."""
        options = ("--key", str(self.key), "--against", str(self.held), "--json")
        told = run("audit", "verify", str(bundle), *options, cwd=self.folder)
        return json.loads(told.stdout)

    def holds(self, stack: Stack) -> None:
        """Compare all that is held with what the server says now."""
        assert self.verdict(self.bundle)["ok"]
        new = self.folder / "new.html"
        _told(stack, "audit", "export", self.room, "-o", str(new))
        verdict = self.verdict(new)
        assert verdict["ok"], verdict
        assert verdict["erased"] == 3
        new.unlink()
        origin, size, root = self.held.read_text().splitlines()[:3]
        proof = json.loads(_told(stack, "audit", "consistency", self.room, size, "--json"))
        assert proof["from_root"] == root
        again = _told(stack, "audit", "checkpoint", self.room, "--size", size)
        assert again == self.held.read_text()
        assert origin.endswith(self.room)
        _told(stack, "audit", "check")
        _told(stack, "audit", "status")
        _told(stack, "projections", "verify")


def _told(stack: Stack, *arguments: str) -> str:
    done = stack.cli(*arguments)
    assert done.returncode == 0, (arguments, done.stdout + done.stderr)
    return done.stdout


def _heads(folder: Path) -> list[list[str]]:
    """Origin, size and root of the checkpoints of all rooms that came into a folder, in order."""
    kept = [one for one in folder.glob("*.checkpoint") if "-trail-" not in one.name]
    texts = [one.read_text().splitlines()[:3] for one in kept]
    return sorted(texts, key=lambda text: int(text[0].rpartition("/")[2]))


def test_what_is_held_elsewhere_verifies_for_ever(tmp_path: Path):
    data, elsewhere, backup = data_directory(), tmp_path / "elsewhere", tmp_path / "backup"
    elsewhere.mkdir()
    settings = {"CHECKPOINT_FOLDER": str(elsewhere), "CHECKPOINT_SECONDS": "1"}
    with running_stack(data=data, **settings) as stack:
        pasted = Pasted(stack)
        auditor = Auditor(tmp_path, stack, pasted.room_id)
        head = pasted.events()[-1]["sequence"]
        until(lambda: any(one[0].endswith(f"/{head}") for one in _heads(elsewhere)))
        before = _heads(elsewhere)
        _told(stack, "audit", "redact", pasted.message_id, "--reason", "pasted", "--scrub")
        assert pasted.in_the_logs_files() == []
        auditor.holds(stack)
        # Checkpoints go on, and those from before are the same rooms' earlier heads.
        until(lambda: len(_heads(elsewhere)) > len(before))
        _agree(pasted, before)
        _told(stack, "audit", "rebuild")
        until(lambda: stack.cli("audit", "checkpoint", pasted.room_id).returncode == 0)
        auditor.holds(stack)
        _told(stack, "backup", str(backup))
        assert not any(
            secret.encode() in path.read_bytes()
            for secret in pasted.secrets
            for path in backup.rglob("*")
            if path.is_file()
        )

    again = data_directory()
    restored = run_command(again, "restore", str(backup), "--force")
    assert restored.returncode == 0, restored.stderr
    with running_stack(data=again) as stack:
        pasted.stack = stack
        auditor.holds(stack)
        _agree(pasted, before)


def _agree(pasted: Pasted, held: list[list[str]]) -> None:
    """The room's head at each held checkpoint's place is under that checkpoint's root."""
    assert held
    for origin, count, root in (one for one in held if one[1] != "0"):
        place = origin.rpartition("/")[2]
        path = f"/api/rooms/{pasted.room_id}/tree/head?sequences={place}"
        told = pasted.get(path)
        # One room: the tree over all heads is the room's leaf alone.
        assert (count, told["root"], told["hashes"]) == ("1", root, [])
