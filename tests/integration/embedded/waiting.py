"""Wait for a condition, with a deadline that a loaded machine keeps too."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 60.0
T = TypeVar("T")


def eventually(condition: Callable[[], T]) -> T:
    """The condition's first true answer. Fails after a minute without one."""
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.02)
    return answer
