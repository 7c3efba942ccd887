"""requirements.txt is the lock: fresh, hashed, and silent about where packages come from."""

import re
import tomllib
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.repository import ROOT, tracked_files

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_DIRECT = [
    *_PROJECT["project"]["dependencies"],
    *_PROJECT["build-system"]["requires"],
    *(one for group in _PROJECT["dependency-groups"].values() for one in group),
]
_LOCK = (ROOT / "requirements.txt").read_text()
_PINS = {
    canonicalize_name(match[1]): (match[2], match[3])
    for match in re.finditer(
        r"^([\w.-]+)==([^\s;]+)(.*?)(?=^\w|\Z)", _LOCK, re.MULTILINE | re.DOTALL
    )
}

# Put together here, so that this file does not name them itself.
_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("rubygems", "org"),
        ("conda", "anaconda", "org"),
        ("repo", "maven", "apache", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("ghcr", "io"),
        ("docker", "io"),
    )
]


@pytest.mark.parametrize("wanted", _DIRECT)
def test_every_direct_dependency_is_pinned_to_a_version_that_it_allows(wanted: str):
    requirement = Requirement(wanted)
    version, _ = _PINS[canonicalize_name(requirement.name)]

    assert requirement.specifier.contains(Version(version), prereleases=True)


@pytest.mark.parametrize("name", list(_PINS))
def test_every_pin_has_its_hashes(name: str):
    assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", _PINS[name][1])


def test_the_lock_holds_pins_and_hashes_and_nothing_else():
    lines = [line.strip() for line in _LOCK.splitlines() if line.strip()]
    odd = [
        line
        for line in lines
        if not re.match(
            r"[A-Za-z0-9._-]+==\S+( ; .+)? \\$|--hash=sha256:[0-9a-f]{64}( \\)?$|#", line
        )
    ]

    assert odd == []
    assert "://" not in _LOCK
    assert "--index-url" not in _LOCK


def test_no_file_of_ours_names_a_package_registry():
    hosts = [host.encode() for host in _HOSTS]
    named = {
        f"{path.relative_to(ROOT)}: {host.decode()}"
        for path in tracked_files()
        for host in hosts
        if host in path.read_bytes()
    }

    assert named == set()


def test_nothing_is_installed_here_that_the_lock_does_not_name():
    # What works only because somebody installed it by hand fails on every other machine.
    installed = {canonicalize_name(found.name) for found in distributions()}

    assert installed - set(_PINS) <= {"roomlog", "pip", "setuptools", "wheel", "uv"}
