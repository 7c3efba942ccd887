"""`python -m bench.rest_overload`: the rate of REST requests that is sustained, half of them sends
and half reads, and what happens at one, two and five times of it."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click

from bench.bare_nats import percentiles_ms
from bench.log_filling import CONTENT
from bench.measured import Measured, json_option, tell
from bench.overload import SETTINGS_THAT_SHED, TIMES, halves, on_cores
from bench.rooms_under_load import make_rooms, users
from bench.steady_reads import status_of_answer
from tests.stack import Stack, running_stack

ROOMS = 100
_USERS = 20
_CONNECTIONS_MAX = 4_000
_FIRST_PER_SECOND = 100
_STEP = 1.25
_P99_MS_MAX = 250.0
_ANSWERED_WITHIN_S = 60.0
_HEALTH_PER_SECOND = 5
_READS = ("messages?limit=50&before=100000000", "messages/search?q=pool", "members")


class Question(NamedTuple):
    """A request, of a kind."""

    kind: str
    method: str
    path: str
    token: str = ""
    body: bytes = b""


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answers:
    """Times of the answers in ms, by what was asked and how it was answered."""

    def __init__(self) -> None:
        self.times_ms: dict[tuple[str, int], list[float]] = {}

    def note(self, asked: str, status: int, took_s: float) -> None:
        self.times_ms.setdefault((asked, status), []).append(took_s * 1000)

    def count(self, *, accepted: bool) -> int:
        return sum(
            len(times)
            for (asked, status), times in self.times_ms.items()
            if asked != "readyz" and (status < 300) is accepted
        )

    def told(self) -> dict[str, Any]:
        return {
            f"{asked}, {status}": {"count": len(times), **percentiles_ms(times)}
            for (asked, status), times in sorted(self.times_ms.items())
        }

    @property
    def worst_p99_ms(self) -> float:
        """Of what was accepted."""
        accepted = [
            times
            for (asked, status), times in self.times_ms.items()
            if asked != "readyz" and status < 300
        ]
        return max((percentiles_ms(times)["p99_ms"] for times in accepted), default=0.0)


class Rest:
    """Requests on connections that are kept while they are used: one at a time on each."""

    def __init__(self, stack: Stack, rooms: Sequence[str]) -> None:
        self._rooms = rooms
        self._tokens = [stack.token(user) for user in users(_USERS)]
        self._free: list[Streams] = []
        self._url = urlsplit(stack.base_url)
        self._opened = 0

    async def ask(self, number: int, answers: Answers) -> None:
        """The request of that number, a send or a read."""
        token = self._tokens[number % _USERS]
        room = self._rooms[number // 2 % len(self._rooms)]
        if number % 2:
            body = json.dumps({"content": CONTENT}).encode()
            path = f"/api/rooms/{room}/messages"
            question = Question("send", "POST", path, token, body)
        else:
            path = f"/api/rooms/{room}/{_READS[number // 2 % len(_READS)]}"
            question = Question("read", "GET", path, token)
        await self._ask(question, answers)

    async def ask_health(self, answers: Answers) -> None:
        """Whether it is ready."""
        await self._ask(Question("readyz", "GET", "/readyz"), answers)

    async def _ask(self, question: Question, answers: Answers) -> None:
        kind, method, path, token, body = question
        reader, writer = streams = await self._connection()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._url.netloc}\r\n"
            f"Authorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        asked_s = time.monotonic()
        writer.write(head.encode() + body)
        status = await status_of_answer(reader)
        answers.note(kind, status, time.monotonic() - asked_s)
        self._free.append(streams)

    async def _connection(self) -> Streams:
        # The last used first: the server closes those that are idle for some seconds.
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            self._close(writer)
        if self._opened >= _CONNECTIONS_MAX:
            raise click.ClickException(f"{_CONNECTIONS_MAX} requests wait for an answer")
        self._opened += 1
        return await asyncio.open_connection(self._url.hostname, self._url.port)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        self._opened -= 1
        writer.close()

    def close(self) -> None:
        """Close what is open; nothing may be under way."""
        for _, writer in self._free:
            self._close(writer)


async def offer(rest: Rest, per_second: float, seconds: float) -> tuple[Answers, float]:
    """Offer so many requests a second, whatever becomes of them; the answers, and after how many
    seconds all were there."""
    answers = Answers()
    count = int(per_second * seconds)
    began_s = time.monotonic()
    async with asyncio.timeout(seconds + _ANSWERED_WITHIN_S), asyncio.TaskGroup() as group:
        for number in range(count):
            due_s = began_s + number / per_second
            if (wait_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(rest.ask(number, answers))
            if number % max(1, int(per_second / _HEALTH_PER_SECOND)) == 0:
                group.create_task(rest.ask_health(answers))
    return answers, time.monotonic() - began_s


async def _sustained(rest: Rest, seconds: float) -> float:
    """The highest rate, of those that grow by a quarter, at which nothing is refused and the
    slowest hundredth of answers comes in _P99_MS_MAX."""
    found, per_second = 0.0, float(_FIRST_PER_SECOND)
    while True:
        answers, took_s = await offer(rest, per_second, seconds)
        refused = answers.count(accepted=False)
        click.echo(
            f"  {per_second:.0f}/s: p99 {answers.worst_p99_ms:.0f} ms, {refused} refused",
            err=True,
        )
        late = answers.worst_p99_ms > _P99_MS_MAX or took_s > seconds * 1.1
        if refused or late:
            return found
        found, per_second = per_second, per_second * _STEP


async def measure(stack: Stack, per_second: float, seconds: float) -> list[Measured]:
    """What happens at TIMES the sustained rate, which is found where `per_second` is 0."""
    rooms = await asyncio.to_thread(make_rooms, stack, ROOMS, users(_USERS))
    found: list[Measured] = []
    rest = Rest(stack, rooms)
    with contextlib.closing(rest):
        base = per_second or await _sustained(rest, seconds)
        if not base:
            raise click.ClickException(f"not even {_FIRST_PER_SECOND} requests a second")
        for times in TIMES:
            answers, took_s = await offer(rest, base * times, seconds)
            found.append(
                Measured(
                    f"{times} times what is sustained: accepted",
                    answers.count(accepted=True) / took_s,
                    "/s",
                    base,
                    "the rate that is sustained",
                    details={
                        "offered a second": base * times,
                        "refused a second": answers.count(accepted=False) / took_s,
                        "all answered after, s": took_s,
                        **answers.told(),
                    },
                )
            )
    return found


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="Length of each load.")
@click.option(
    "--per-second", default=0.0, help="The rate that is sustained. Default: it is looked for."
)
@click.option("--request-wait", default=-1.0, help="ROOMLOG_REQUEST_WAIT_SECONDS. Default: its.")
@json_option
def main(*, seconds: float, per_second: float, request_wait: float, json_file: Path | None) -> None:
    """Measure what happens when more is asked by REST than can be done."""
    settings = dict(SETTINGS_THAT_SHED)
    if request_wait >= 0:
        settings["REQUEST_WAIT_SECONDS"] = str(request_wait)
    with on_cores(halves()[0]), running_stack(**settings) as stack, on_cores(halves()[1]):
        results = asyncio.run(measure(stack, per_second, seconds))
    tell(results, json_file)


if __name__ == "__main__":
    main()
