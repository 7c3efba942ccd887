"""The whole product for tests: `roomlog up` as a process, and what tests ask of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt

READY_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


class Stack:
    """A running `roomlog up`. `run` is its run.json as it is now."""

    def __init__(
        self,
        data: Path,
        process: "subprocess.Popen[str]",
        base_url: str,
        secret: str | None = None,
    ) -> None:
        self.data = data
        self.process = process
        self.base_url = base_url
        self._secret = secret

    @property
    def run(self) -> dict[str, Any]:
        return json.loads((self.data / "run.json").read_text())

    @property
    def ws_url(self) -> str:
        return self.base_url.replace("http://", "ws://", 1)

    def token(self, user: str, *roles: str, ttl_s: float = 3600, **claims: Any) -> str:
        payload = {"sub": user, "exp": time.time() + ttl_s, **claims}
        if roles:
            payload["roles"] = list(roles)
        return jwt.encode(payload, self.secret, algorithm="HS256")

    @property
    def secret(self) -> str:
        """What this server's tokens are signed with."""
        if self._secret is None:
            self._secret = (self.data / "secrets" / "jwt_secret").read_text().strip()
        return self._secret

    def headers(self, user: str, *roles: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user, *roles)}"}

    def cli(self, *arguments: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a roomlog command against this data directory."""
        return run_command(self.data, *arguments, timeout_s=timeout_s)


def run_command(
    data: Path, *arguments: str, timeout_s: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run a roomlog command to its end against a data directory, whatever runs there."""
    return subprocess.run(
        [sys.executable, "-m", "roomlog", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=clean_environment(),
    )


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without settings of roomlog's, with those given."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ROOMLOG_")}
    return {**kept, **extra}


def data_directory() -> Path:
    """A new directory that PostgreSQL's own user may enter (pytest's tmp_path is closed)."""
    path = Path(tempfile.mkdtemp(prefix="roomlog-test-"))
    path.chmod(0o755)
    return path


@contextmanager
def running_stack(
    arguments: Sequence[str] = (), *, data: Path | None = None, **settings: str
) -> Generator[Stack]:
    """`roomlog up` on a free port until the block ends; its directory goes too unless given.

    `settings` are environment variables without the prefix.
    """
    folder = data or data_directory()
    environment = clean_environment(**{f"ROOMLOG_{k}": v for k, v in settings.items()})
    errors = folder / "up.stderr"
    with errors.open("a") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "roomlog", "up", "--data", str(folder), "--port", "0"),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
            start_new_session=True,
        )
    try:
        base_url = _await_ready(process, errors)
        yield Stack(folder, process, base_url, settings.get("JWT_SECRET"))
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _await_ready(process: "subprocess.Popen[str]", errors: Path) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if line.startswith("ready "):
            return line.split()[1]
        if not line and process.poll() is not None:
            break
    raise AssertionError(f"roomlog up did not get ready: {errors.read_text()[-4000:]}")
