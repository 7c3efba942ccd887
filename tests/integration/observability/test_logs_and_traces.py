"""Log lines, traces, and how they are tied to requests, events and connections."""

import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx
import nats
import pytest
from websockets.asyncio.client import connect

from tests.stack import Stack, running_stack

ANA, CEM = "ana@example.com", "cem@example.com"
DEADLINE_S = 60


class Collector:
    """An OpenTelemetry collector that keeps what it is sent, undecoded."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = []
        for body in list(self.received):
            request = ExportTraceServiceRequest.FromString(body)
            found += [s for r in request.resource_spans for k in r.scope_spans for s in k.spans]
        return found


def new_trace() -> tuple[str, str]:
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


def wait_for(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def lines(stack: Stack, **wanted: object) -> list[dict[str, Any]]:
    """The worker's log lines that have all these fields."""
    log = (stack.data / "logs" / "api-1.log").read_text().splitlines()
    parsed = [json.loads(line) for line in log if line.startswith("{") and line.endswith("}")]
    return [line for line in parsed if wanted.items() <= line.items()]


def new_room(stack: Stack, **headers: str) -> str:
    answer = httpx.post(
        f"{stack.base_url}/api/rooms",
        headers={**stack.headers(ANA), **headers},
        json={"name": "traced"},
    )
    return answer.raise_for_status().json()["room_id"]


async def headers_of(stack: Stack, room_id: str) -> list[dict[str, str]]:
    """The NATS headers of a room's events, oldest first."""
    client = await nats.connect(stack.run["nats_url"])
    try:
        stream = client.jetstream()
        subscription = await stream.subscribe(f"ev.{room_id}", ordered_consumer=True)
        first = await subscription.next_msg(timeout=DEADLINE_S)
        found = [first.headers or {}]
        for _ in range(first.metadata.num_pending):
            found.append((await subscription.next_msg(timeout=DEADLINE_S)).headers or {})
        return found
    finally:
        await client.close()


async def test_a_request_is_told_with_its_id_and_trace_which_the_event_carries_too(stack: Stack):
    trace_id, traceparent = new_trace()
    request_id = secrets.token_hex(8)
    given = {"X-Request-Id": request_id, "traceparent": traceparent, "tracestate": "shop=1"}
    room_id = new_room(stack, **given)

    appended, answered = wait_for(
        lambda: len(found := lines(stack, request_id=request_id)) == 2 and found
    )
    assert (appended["message"], appended["event"]) == ("appended", "room.created")
    assert (answered["message"], answered["status"]) == ("answered", 201)
    assert {appended["trace_id"], answered["trace_id"]} == {trace_id}
    assert (appended["room_id"], appended["user_id"]) == (room_id, ANA)
    headers = (await headers_of(stack, room_id))[0]
    assert (headers["traceparent"], headers["tracestate"]) == (traceparent, "shop=1")


@pytest.mark.parametrize(
    "given",
    [
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "nonsense",
    ],
)
async def test_what_is_no_trace_context_goes_nowhere(stack: Stack, given: str):
    request_id = secrets.token_hex(8)
    room_id = new_room(
        stack, **{"X-Request-Id": request_id, "traceparent": given, "tracestate": "a=b"}
    )

    told = wait_for(lambda: lines(stack, request_id=request_id, message="answered"))
    assert "trace_id" not in told[0]
    headers = (await headers_of(stack, room_id))[0]
    assert not {"traceparent", "tracestate"} & headers.keys()


async def test_a_connection_is_told_with_its_id_and_what_it_sends_with_its_trace(stack: Stack):
    room_id = new_room(stack)
    trace_id, traceparent = new_trace()
    async with connect(
        f"{stack.ws_url}/ws/{room_id}?token={stack.token(ANA)}",
        additional_headers={"traceparent": traceparent},
        open_timeout=DEADLINE_S,
    ) as socket:
        hello = json.loads(str(await socket.recv()).split("\n")[0])
        await socket.send('{"type": "send", "ref": "1", "content": "said once"}')
        async for frame in socket:
            if '"ack"' in str(frame):
                break

    mine = {"connection_id": hello["connection_id"]}
    wait_for(lambda: lines(stack, message="disconnected", **mine))
    connected = lines(stack, message="connected", **mine)
    assert [(one["user_id"], one["room_id"]) for one in connected] == [(ANA, room_id)]
    said = lines(stack, message="appended", request_id=hello["connection_id"])
    assert [(one["event"], one["trace_id"]) for one in said] == [("message.sent", trace_id)]
    assert (await headers_of(stack, room_id))[-1]["traceparent"] == traceparent


def test_failures_to_authenticate_and_denials_are_told(stack: Stack):
    room_id = new_room(stack)
    unknown, denied = secrets.token_hex(8), secrets.token_hex(8)
    path = f"{stack.base_url}/api/rooms/{room_id}"
    httpx.get(path, headers={"X-Request-Id": unknown, "Authorization": "Bearer nonsense"})
    httpx.get(path, headers={"X-Request-Id": denied, **stack.headers(CEM)})

    told = wait_for(lambda: lines(stack, request_id=unknown, message="not authenticated"))
    assert (told[0]["level"], told[0]["by"]) == ("warning", "rest")
    told = wait_for(lambda: lines(stack, request_id=denied, message="denied"))
    assert told[0]["level"] == "warning"
    assert wait_for(lambda: lines(stack, request_id=denied, message="answered"))[0]["status"] == 403


@pytest.fixture(scope="module")
def collector() -> Generator[Collector]:
    running = Collector()
    running.thread.start()
    yield running
    running.server.shutdown()
    running.thread.join()
    running.server.server_close()


@pytest.fixture(scope="module")
def traced(collector: Collector) -> Generator[Stack]:
    with running_stack(OTLP_ENDPOINT=collector.url) as running:
        yield running


async def test_with_a_collector_spans_continue_the_clients_trace(
    traced: Stack, collector: Collector
):
    trace_id, traceparent = new_trace()
    room_id = new_room(traced, traceparent=traceparent)

    def both() -> list[Any]:
        found = [span for span in collector.spans() if span.trace_id.hex() == trace_id]
        return found if len(found) >= 2 else []

    spans = {span.name: span for span in wait_for(both)}
    request, append = spans["POST /api/rooms"], spans["append"]
    assert request.parent_span_id.hex() == traceparent[36:52]
    assert append.parent_span_id == request.span_id
    carried = (await headers_of(traced, room_id))[0]["traceparent"]
    assert carried[3:35] == trace_id
    assert carried[36:52] == append.span_id.hex()
