"""The TypeScript client against the real thing: a running server, behind a network that breaks."""

import json
import re

from tests.javascript.test_typescript import PACKAGE
from tests.npm import npm
from tests.stack import Stack

HISTORIES_S = 45


def test_after_any_history_the_client_has_what_the_log_has_and_hooks_show_it(stack: Stack):
    users = ("ada", "bob", "cyd")
    server = {
        "url": stack.base_url,
        "tokens": {user: stack.token(f"{user}@example.org") for user in users},
    }
    told = npm(
        *(PACKAGE, "run", "test:real"),
        ROOMLOG_TEST_SERVER=json.dumps(server),
        ROOMLOG_TEST_SECONDS=str(HISTORIES_S),
    )

    assert told.returncode == 0, told.stdout[-8000:]
    print(*re.findall(r"ROOMLOG_TEST_SEED=\d+|\d+ histories", told.stdout), sep="\n")
