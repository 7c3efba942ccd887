"""The programs of the Python client's guide run as written, and print what it says."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.stack import Stack, clean_environment

_GUIDE = (Path(__file__).resolve().parents[3] / "docs/client/python.md").read_text()
_PROGRAMS = re.findall(
    r"^## (.+?)$(?:(?!^## ).)*?^```python\n(.*?)^```\n\n```text\n(.*?)^```",
    _GUIDE,
    re.MULTILINE | re.DOTALL,
)


def test_every_program_of_the_guide_says_what_it_prints():
    assert len(_PROGRAMS) == _GUIDE.count("```python") == 7


@pytest.mark.parametrize(
    ("program", "printed"), [one[1:] for one in _PROGRAMS], ids=[one[0] for one in _PROGRAMS]
)
async def test_a_program_of_the_guide_runs_as_written(
    stack: Stack, tmp_path: Path, program: str, printed: str
):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", program),
        cwd=tmp_path,
        env=clean_environment(
            ROOMLOG_URL=stack.base_url, ROOMLOG_TOKEN=stack.token("ada@example.org")
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        told, wrong = await process.communicate()

    assert process.returncode == 0, wrong.decode()
    assert told.decode() == printed
