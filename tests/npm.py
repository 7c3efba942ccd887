"""Node packages for tests: their own tools, installed as their lock says."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TIMEOUT_S = 280


def npm(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run npm in a package's folder, to its end; stdout and stderr come together.

    The package is installed first where it isn't yet as its lock says. The test is skipped where
    there is no npm, but in CI it fails.
    """
    program = shutil.which("npm")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("npm is not installed: .ci/run installs it")
        pytest.skip("npm is not installed: it runs what is written in TypeScript")
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        done = _run(program, folder, "ci")
        assert done.returncode == 0, done.stdout[-4000:]
    return _run(program, folder, *arguments, **environment)


def _run(
    program: str, folder: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
