"""Log lines: their form, and that no token gets into them."""

import io
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator

import jwt
import pytest

from roomlog.observability import LINES_WAITING_MAX, hide_tokens, set_up_logging, tell

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


def written(stream: io.StringIO, lines: int = 1) -> None:
    deadline = time.monotonic() + 60
    while stream.getvalue().count("\n") < lines:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_below_the_level_are_left_out(lines):
    stream = lines("human", "warning")
    logging.getLogger("roomlog").info("hello")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_what_others_chose_begins_no_line_and_moves_no_cursor(lines, log_format):
    stream = lines(log_format)
    chosen = "a\r\n12:00:00 error   forged\x1b[2J\x85\u2028\u202e"
    logging.getLogger("roomlog.test").info("said %s", chosen, extra={"user_id": chosen})
    written(stream)
    text = stream.getvalue().removesuffix("\n")
    if log_format == "json":
        assert json.loads(text)["user_id"] == chosen
        assert text.count("\n") == 0
    else:
        first, *others = text.split("\n")
        assert "user_id=a\\x0d\\x0a12:00:00 error   forged\\x1b[2J\\x85\\u2028\\u202e" in text
        assert all(line.startswith("    ") for line in others), first
        assert not set("\r\x1b\x85\u2028\u202e") & set(text)


def test_what_is_told_often_becomes_the_same_line(lines):
    stream = lines("json")
    logger = logging.getLogger("roomlog.test")
    tell(logger, "appended", {"sequence": 7})
    logger.info("appended", extra={"sequence": 7})
    written(stream, 2)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {**first, "time": 0} == {**second, "time": 0}


def test_no_line_is_lost_between_the_threads_that_tell_and_the_one_that_writes(lines):
    stream = lines("json")
    logger = logging.getLogger("roomlog.test")
    told = 4 * 20_000

    def tell_many() -> None:
        for _ in range(20_000):
            tell(logger, "appended", {})

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=tell_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    written(stream, told)
    assert stream.getvalue().count("appended") == told


def test_what_json_cannot_hold_is_told_all_the_same(lines):
    stream = lines("json")
    tell(logging.getLogger("roomlog.test"), "odd", {"name": "half \ud83d", "kept": 1})
    written(stream)
    line = json.loads(stream.getvalue())
    assert line["name"] == "half \ud83d"
    assert line["kept"] == 1


def test_whoever_else_listens_to_all_loggers_hears_what_is_told(lines):
    lines("json")
    heard: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record)

    logging.getLogger().addHandler(Listener())
    tell(logging.getLogger("roomlog.test"), "appended", {"sequence": 7})
    assert [(one.getMessage(), one.__dict__["sequence"]) for one in heard] == [("appended", 7)]
