"""What is installed from a wheel is whole: code, migrations and the servers' configuration."""

import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.repository import ROOT, run


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as on the path of an installation."""
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    assert built.returncode == 0, built.stderr[-4000:]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.parametrize("package", ["roomlog", "roomlog_client", "roomlog_contract"])
def test_every_module_of_src_is_in_the_wheel(unpacked: Path, package: str):
    source = ROOT / "src"
    modules = {path.relative_to(source) for path in (source / package).rglob("*.py")}

    assert modules <= {path.relative_to(unpacked) for path in unpacked.rglob("*.py")}
    assert (unpacked / package / "py.typed").is_file()


def test_projections_queries_migrations_and_configuration_are_in_the_wheel(unpacked: Path):
    data = unpacked / "roomlog" / "_data"
    migrations = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    queries = {path.name for path in (ROOT / "src/roomlog/postgres").rglob("*.sql")}

    assert (unpacked / "projections" / "__init__.py").is_file()
    assert (data / "nats.conf").read_bytes() == (ROOT / "nats.conf").read_bytes()
    assert (data / "migrations" / "env.py").is_file()
    assert migrations
    assert migrations == {path.name for path in (data / "migrations/versions").glob("*.py")}
    assert queries == {path.name for path in (unpacked / "roomlog/postgres").rglob("*.sql")}


def test_no_tests_and_nothing_of_the_workshop_is_in_the_wheel(unpacked: Path):
    top = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}

    assert top == {"roomlog", "roomlog_client", "roomlog_contract", "projections"}
    assert not list(unpacked.rglob("__pycache__"))


def test_installed_code_finds_its_data_files(unpacked: Path):
    program = (
        "import roomlog\n"
        "from roomlog.data_files import data_file\n"
        "print(roomlog.__file__, data_file('nats.conf'), data_file('migrations'), sep='\\n')\n"
    )
    told = run(
        *(sys.executable, "-c", program),
        cwd=unpacked.parent,
        environment={"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"},
    )

    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == [
        str(unpacked / "roomlog" / "__init__.py"),
        str(unpacked / "roomlog" / "_data" / "nats.conf"),
        str(unpacked / "roomlog" / "_data" / "migrations"),
    ]


def test_installed_code_offers_its_commands(unpacked: Path):
    told = run(
        *(sys.executable, "-m", "roomlog", "--help"),
        cwd=unpacked.parent,
        environment={"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"},
    )

    assert told.returncode == 0, told.stderr
    assert "up" in told.stdout
