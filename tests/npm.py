"""Packages of npm that tests need: each in a folder of its own, with a lock."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 240


def node_with_packages(folder: Path) -> str:
    """The path of node, with the packages of `folder`'s lock installed beside it.

    `.ci/run` installs them; elsewhere the first test that asks does. What is missing fails in CI,
    and skips elsewhere.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _give_up("node and npm are not installed")
    # Tests run in several processes, and `npm ci` begins by taking away what is there.
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed(folder):
            _install(npm, folder)
    return node


def _install(npm: str, folder: Path) -> None:
    done = subprocess.run(
        [npm, "ci"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        _give_up(f"npm ci in {folder.name} failed: {done.stderr[-2000:]}")


def npm_run(
    folder: Path, script: str, *, timeout_s: float, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a script of the package in `folder` to its end; stdout and stderr come together."""
    node_with_packages(folder)
    return subprocess.run(
        ["npm", "run", script],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _is_installed(folder: Path) -> bool:
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    return all(
        _version(folder / place) == package["version"]
        for place, package in locked.items()
        if place and not package.get("optional")
    )


def _version(package: Path) -> str | None:
    try:
        return json.loads((package / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None


def _give_up(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (see .ci/run)")
    pytest.skip(reason)
