"""Where the repository is, and how its tools are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL_TIMEOUT_S = 280


def run(
    *command: str,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
    text: str = "",
) -> "subprocess.CompletedProcess[str]":
    """Run a tool to its end; `text` is its input, and its output is text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        input=text,
        capture_output=True,
        text=True,
        timeout=TOOL_TIMEOUT_S,
        check=False,
    )


def script(name: str) -> str:
    """A tool that stands beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found is not None, f"{name} is not installed"
    return found


def tracked_files() -> list[Path]:
    """Every file under version control that is there."""
    listed = run("git", "ls-files", "-z")
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
