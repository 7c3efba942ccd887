"""The TypeScript client against the real thing: a running server, behind a network that breaks."""

import json
import re

from tests.javascript.test_typescript import PACKAGE
from tests.npm import npm
from tests.stack import Stack

HISTORIES_S = 45


def test_client_hooks_and_documentation_hold_against_a_real_server(stack: Stack):
    users = ("ada", "bob", "cyd")
    server = {
        "url": stack.base_url,
        "tokens": {user: stack.token(f"{user}@example.org") for user in users},
    }
    built = npm(PACKAGE, "run", "build")
    assert built.returncode == 0, built.stdout[-4000:]
    told = npm(
        *(PACKAGE, "run", "test:real"),
        ROOMLOG_TEST_SERVER=json.dumps(server),
        ROOMLOG_TEST_SECONDS=str(HISTORIES_S),
    )

    assert told.returncode == 0, told.stdout[-8000:]
    print(*re.findall(r"ROOMLOG_TEST_SEED=\d+|\d+ histories", told.stdout), sep="\n")
