"""The TypeScript client against the real thing: a running server, behind a network that breaks."""

import json
import re

import pytest

from tests.javascript.test_typescript import PACKAGE, SCRIPT_TIMEOUT_S
from tests.npm import npm_run
from tests.stack import Stack

HISTORIES_S = 45
REAL_TIMEOUT_S = 400


@pytest.mark.timeout(REAL_TIMEOUT_S + SCRIPT_TIMEOUT_S)
def test_client_hooks_and_documentation_hold_against_a_real_server(stack: Stack):
    server = {"url": stack.base_url, "secret": stack.secret}
    built = npm_run(PACKAGE, "build", timeout_s=SCRIPT_TIMEOUT_S)
    assert built.returncode == 0, built.stdout[-4000:]
    told = npm_run(
        PACKAGE,
        "test:real",
        timeout_s=REAL_TIMEOUT_S,
        ROOMLOG_TEST_SERVER=json.dumps(server),
        ROOMLOG_TEST_SECONDS=str(HISTORIES_S),
    )

    assert told.returncode == 0, told.stdout[-8000:]
    print(*re.findall(r"ROOMLOG_TEST_SEED=\d+|\d+ histories", told.stdout), sep="\n")
