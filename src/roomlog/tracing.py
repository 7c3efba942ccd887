"""Which request a log line, an event or a span belongs to.

The id and the trace that a request came with (W3C Trace Context, level 1) go along in a context
variable. Spans are made only where OpenTelemetry is set up; else `span` costs a comparison.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

import msgspec

TRACESTATE_CHARS_MAX = 512
EXPORT_TIMEOUT_S = 2
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z"
)
_TRACESTATE = re.compile(r"[\x20-\x7e]+\Z")

Headers = tuple[tuple[str, str], ...]


class RequestContext(msgspec.Struct, frozen=True):
    """A request's own id, and the trace that its client has put it into."""

    request_id: str
    traceparent: str | None = None
    tracestate: str | None = None


_current: ContextVar[RequestContext | None] = ContextVar("roomlog_request", default=None)
_NOTHING: AbstractContextManager[None] = nullcontext()


class _Tracing:
    """The tracer once there is one."""

    tracer: Any = None
    provider: Any = None


def enter(request_id: str, headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """Begin a request in this task: what it logs, appends and starts belongs to it from here.

    `headers` are ASGI's. A `traceparent` that is not one is left out, and `tracestate` with it.
    """
    given = {name: value for name, value in headers if name in {b"traceparent", b"tracestate"}}
    traceparent = given.get(b"traceparent", b"").decode("latin-1")
    tracestate = given.get(b"tracestate", b"").decode("latin-1")
    if not _TRACEPARENT.match(traceparent):
        context = RequestContext(request_id)
    elif len(tracestate) > TRACESTATE_CHARS_MAX or not _TRACESTATE.match(tracestate):
        context = RequestContext(request_id, traceparent)
    else:
        context = RequestContext(request_id, traceparent, tracestate)
    _current.set(context)
    return context


def log_fields() -> dict[str, str]:
    """What log lines tell of the request that they belong to."""
    context = _current.get()
    if context is None:
        return {}
    fields = {"request_id": context.request_id}
    if context.traceparent is not None:
        fields["trace_id"] = context.traceparent[3:35]
    return fields


def event_headers() -> Headers:
    """The trace, as NATS headers of an event that is appended now; empty where there is none."""
    if _Tracing.tracer is not None:
        return _span_headers()
    context = _current.get()
    if context is None or context.traceparent is None:
        return ()
    if context.tracestate is None:
        return (("traceparent", context.traceparent),)
    return (("traceparent", context.traceparent), ("tracestate", context.tracestate))


def span(
    name: str, attributes: Mapping[str, str] | None = None, *, root: bool = False
) -> AbstractContextManager[object]:
    """A span around what is done in the block; nothing at all where tracing is off.

    `root`: it begins here on this side, below the client's own span where one was named.
    """
    if _Tracing.tracer is None:
        return _NOTHING
    return _started(name, attributes, root=root)


class OpenSpan:
    """A span around what does not end where it began. `end` must follow; without tracing nothing
    happens."""

    __slots__ = ("_span",)

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def entered(self) -> AbstractContextManager[object]:
        """What is done in the block belongs to the span, which goes on after it."""
        if self._span is None:
            return _NOTHING
        from opentelemetry.trace import use_span  # noqa: PLC0415 - an extra

        return use_span(self._span, end_on_exit=False)

    def end(self) -> None:
        """It ends now."""
        if self._span is not None:
            self._span.end()


_NO_SPAN = OpenSpan()


def open_span(
    name: str, attributes: Mapping[str, str] | None = None, *, root: bool = False
) -> OpenSpan:
    """Begin a span as `span` does, which the caller ends."""
    if _Tracing.tracer is None:
        return _NO_SPAN
    return OpenSpan(_Tracing.tracer.start_span(name, **_beginning(attributes, root=root)))


def set_up_tracing(endpoint: str | None, *, service: str) -> None:
    """Send spans to an OTLP/HTTP collector at `endpoint` (http://HOST:4318) from now on.

    Nothing is imported or done where it is None. Raises ImportError where the extra `otel` is
    not installed. `shut_down_tracing` sends what is left.
    """
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - same
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - same

    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(
        endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=EXPORT_TIMEOUT_S
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Tracing.tracer = provider.get_tracer("roomlog")
    _Tracing.provider = provider


def shut_down_tracing() -> None:
    """Send the spans that wait, and make no more. Blocks until they are sent or given up."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


def _started(
    name: str, attributes: Mapping[str, str] | None, *, root: bool
) -> AbstractContextManager[object]:
    return _Tracing.tracer.start_as_current_span(name, **_beginning(attributes, root=root))


def _beginning(attributes: Mapping[str, str] | None, *, root: bool) -> dict[str, Any]:
    from opentelemetry.propagate import extract  # noqa: PLC0415 - an extra
    from opentelemetry.trace import SpanKind  # noqa: PLC0415 - same

    parent = None
    if root:
        context = _current.get()
        carrier: dict[str, str] = {}
        if context is not None and context.traceparent is not None:
            carrier["traceparent"] = context.traceparent
            if context.tracestate is not None:
                carrier["tracestate"] = context.tracestate
        parent = extract(carrier)
    kind = SpanKind.SERVER if root else SpanKind.INTERNAL
    return {"context": parent, "kind": kind, "attributes": dict(attributes or {})}


def _span_headers() -> Headers:
    from opentelemetry.propagate import inject  # noqa: PLC0415 - an extra

    carrier: dict[str, str] = {}
    inject(carrier)
    return tuple(
        (name, value)
        for name, value in carrier.items()
        if name in {"traceparent", "tracestate"} and len(value) <= TRACESTATE_CHARS_MAX
    )
