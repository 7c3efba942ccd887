"""Log lines: their form, and that no token gets into them."""

import io
import json
import logging
import time
from collections.abc import Callable, Generator

import jwt
import pytest

from roomlog.observability import LINES_WAITING_MAX, hide_tokens, set_up_logging

TOKEN = jwt.encode({"sub": "a@example.org", "exp": 1}, "k" * 32, algorithm="HS256")


@pytest.fixture
def lines() -> Generator[Callable[[str], str]]:
    """Set logging up in a form, log by what is done then, and put everything back."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()

    def begin(log_format: str, log_level: str = "info") -> io.StringIO:
        set_up_logging(log_level, log_format, stream)
        return stream

    yield begin
    logging.captureWarnings(False)
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        f'127.0.0.1:5 - "WebSocket /ws/1?after=3&token={TOKEN}&epoch=x" [accepted]',
        "GET /ws?token=opaque-and-not-a-jwt HTTP/1.1",
        f"Authorization: Bearer {TOKEN}",
        f"Sec-WebSocket-Protocol: roomlog.v1, roomlog.bearer.{TOKEN}",
        f"claims of {TOKEN} are wrong",
        f'{{"token": "{TOKEN}"}}',
    ],
)
def test_a_token_is_taken_out_wherever_it_stands(text):
    hidden = hide_tokens(text)
    assert TOKEN not in hidden
    assert TOKEN.split(".")[2] not in hidden
    assert "opaque" not in hidden


def test_what_stands_beside_a_token_stays():
    line = f"/ws/1?after=3&token={TOKEN}&epoch=x"
    assert hide_tokens(line) == "/ws/1?after=3&token=…&epoch=x"
    assert hide_tokens("the bearer of bad news") == "the bearer of bad news"


def test_passwords_in_addresses_are_taken_out():
    text = "cannot reach nats://roomlog:pa55-w_rd@127.0.0.1:4222 or postgresql://u:p%40ss@h/d"
    assert (
        hide_tokens(text) == "cannot reach nats://roomlog:…@127.0.0.1:4222 or postgresql://u:…@h/d"
    )


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_no_token_gets_in_by_arguments_extras_or_tracebacks(lines, log_format):
    stream = lines(log_format)
    logger = logging.getLogger("uvicorn.error")
    logger.info('%s - "WebSocket %s" [accepted]', "127.0.0.1:5", f"/ws/1?token={TOKEN}")
    logger.warning("refused", extra={"query": f"token={TOKEN}"})
    try:
        raise ValueError(f"Bearer {TOKEN}")
    except ValueError:
        logger.exception("failed")
    assert stream.getvalue().count("…") >= 3
    assert TOKEN.split(".")[2] not in stream.getvalue()


def test_json_lines_carry_time_level_logger_message_and_extras(lines):
    stream = lines("json")
    logging.getLogger("roomlog.x").warning("two\nlines", extra={"room_id": "r", "lag": 3})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning", "logger": "roomlog.x", "message": "two\nlines", "room_id": "r", "lag": 3,
    }  # fmt: skip
    assert stream.getvalue().count("\n") == 1


def test_without_a_terminal_lines_are_json(lines):
    stream = lines("auto")
    logging.getLogger("roomlog").info("hello")
    written(stream)
    assert json.loads(stream.getvalue())["message"] == "hello"


def test_lines_wait_for_each_other_but_no_warning_waits(lines):
    stream = lines("json")
    logger = logging.getLogger("roomlog")
    for number in range(LINES_WAITING_MAX - 1):
        logger.info("line %d", number)
    logger.warning("the last")
    told = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert told == [*(f"line {number}" for number in range(LINES_WAITING_MAX - 1)), "the last"]


def test_lines_are_written_by_themselves(lines):
    stream = lines("json")
    logging.getLogger("roomlog").info("hello")
    written(stream)
    assert stream.getvalue().count("\n") == 1


def written(stream: io.StringIO) -> None:
    deadline = time.monotonic() + 60
    while not stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_below_the_level_are_left_out(lines):
    stream = lines("human", "warning")
    logging.getLogger("roomlog").info("hello")
    assert stream.getvalue() == ""
