"""Tests here run on the server's loop."""

from tests.uvloops import pytest_asyncio_loop_factories  # noqa: F401 - a hook
