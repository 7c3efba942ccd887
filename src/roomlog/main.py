"""Where the parts are put together, and nowhere else."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncGenerator, Generator

import msgspec
import uvicorn
import uvloop

from roomlog.collector import spare_what_stays
from roomlog.core.admission import Patience
from roomlog.core.decide import Limits
from roomlog.http import HttpParts, create_app
from roomlog.http.sockets import listening_sockets
from roomlog.jetstream.buckets import (
    JetStreamKeyMarks,
    JetStreamNames,
    JetStreamReadMarkers,
    JetStreamRequestMemory,
    JetStreamSnapshots,
)
from roomlog.jetstream.erasing import JetStreamEraser
from roomlog.jetstream.log import JetStreamLog
from roomlog.jetstream.presence import JetStreamNotices, JetStreamPresence
from roomlog.jetstream.trail import JetStreamTrail
from roomlog.ports import Clock, LogUnavailableError, ReadModel
from roomlog.postgres import PostgresReadModel, PostgresTreeReader, open_pool
from roomlog.realtime.handlers import websocket_handlers
from roomlog.realtime.on_record import stay_on_record
from roomlog.realtime.parts import RealtimeParts
from roomlog.realtime.server import server_config
from roomlog.realtime.websocket_manager import WebSocketManager
from roomlog.services.audit_keys import key_ring
from roomlog.services.byte_budget import ByteBudget
from roomlog.services.continuity import discontinuity
from roomlog.services.effects import Effects
from roomlog.services.event_service import EventService
from roomlog.services.fresh_keys import FreshKeys
from roomlog.services.health import health
from roomlog.services.identity import SystemClock
from roomlog.services.jwks import KeySetError
from roomlog.services.limiter import Limiter, Rates
from roomlog.services.message_service import MessageService
from roomlog.services.notice_service import NoticeService
from roomlog.services.once import Once
from roomlog.services.presence_service import PresenceService
from roomlog.services.progress import ProjectionProgress
from roomlog.services.projection_lag import projection_lag
from roomlog.services.proof_service import ProofService
from roomlog.services.reaction_service import ReactionService
from roomlog.services.readers import Readers
from roomlog.services.record_service import RecordService
from roomlog.services.redaction_service import RedactionService
from roomlog.services.room_cache import RoomCache
from roomlog.services.room_service import RoomService
from roomlog.services.signing_keys import SigningKeys, key_source
from roomlog.services.tokens import TokenVerifier
from roomlog.services.trail import Trail
from roomlog.services.trail_log import TrailLog
from roomlog.services.tree_lag import tree_lag
from roomlog.services.used_ids import UsedIds
from roomlog.services.user_names import UserNames
from roomlog.services.writer import Writer
from roomlog.settings import Settings, SettingsError, erase_url, required
from roomlog.tracing import set_up_tracing, shut_down_tracing
from roomlog_contract.errors import ErrorCode

_log = logging.getLogger(__name__)

_CONNECT_RETRY_S = 0.5


class Services(msgspec.Struct, frozen=True):
    """Everything that REST and WebSocket handlers ask."""

    log: JetStreamLog
    read_model: ReadModel
    cache: RoomCache
    clock: SystemClock
    messages: MessageService
    reactions: ReactionService
    redactions: RedactionService
    rooms: RoomService
    events: EventService
    notices: NoticeService
    names: UserNames
    tokens: TokenVerifier
    limiter: Limiter
    trees: PostgresTreeReader
    proofs: ProofService
    records: RecordService
    trail_log: TrailLog
    trail_proofs: ProofService


async def connect_log(settings: Settings) -> JetStreamLog:
    """The log, waited for as long as it takes. Raises LogMismatchError, SettingsError."""
    url = required(settings.nats_url, "NATS_URL")
    while True:
        try:
            return await JetStreamLog.connect(
                url, partitions=settings.partitions, append_wait_s=settings.append_wait_seconds
            )
        except LogUnavailableError as error:
            _log.warning("the log is away, trying again: %s", error)
            await asyncio.sleep(_CONNECT_RETRY_S)


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """The services on their real log and tables, for as long as the block runs.

    PostgreSQL may be away, also at the start. The log is waited for.
    """
    clock = SystemClock()
    tokens = token_verifier(settings, clock)
    if tokens.keys is not None:
        await tokens.keys.refresh()
    database_url = required(settings.database_url, "DATABASE_URL")
    log = await connect_log(settings)
    try:
        patience = Patience(settings.request_wait_seconds)
        async with open_pool(
            database_url, size=settings.database_pool_size, patience=patience
        ) as pool:
            trees = PostgresTreeReader(pool)
            yield await _wire(
                settings, log, PostgresReadModel(pool), trees=trees, clock=clock, tokens=tokens
            )
    finally:
        await log.close()


def token_verifier(settings: Settings, clock: Clock) -> TokenVerifier:
    """What verifies tokens: the secret, the key set, or both. Raises SettingsError."""
    keys = None
    if settings.jwt_jwks is None:
        required(settings.jwt_secret, "JWT_SECRET")
    else:
        try:
            keys = SigningKeys(key_source(settings.jwt_jwks), clock)
        except KeySetError as error:
            raise SettingsError(f"ROOMLOG_JWT_JWKS {error}") from error
    return TokenVerifier(
        settings.jwt_secret,
        clock,
        keys=keys,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
    )


async def _wire(
    settings: Settings,
    log: JetStreamLog,
    read_model: ReadModel,
    *,
    trees: PostgresTreeReader,
    clock: SystemClock,
    tokens: TokenVerifier,
) -> Services:
    snapshots = JetStreamSnapshots(log.connection)
    markers = JetStreamReadMarkers(log.connection)
    progress = ProjectionProgress(log, read_model, log.signals, clock)
    await progress.start()
    log.on_reset(progress.reset)
    await log.guard_with(lambda: discontinuity(log, read_model))
    cache = RoomCache(log, snapshots)
    limiter = Limiter(_rates(settings), clock, log.signals)
    await limiter.start()
    used = UsedIds(log, read_model, progress)
    keys = FreshKeys(JetStreamKeyMarks(log.connection))
    writer = Writer(log, used, keys, clock, limiter)
    effects = Effects(log, read_model, progress, cache)
    limits = Limits(
        text_bytes_max=settings.max_text_bytes,
        structured_bytes_max=settings.max_structured_bytes,
        edit_window_s=settings.edit_window_seconds,
    )
    names = UserNames(JetStreamNames(log.connection))
    tokens.on_verified(names.note)
    once = Once(JetStreamRequestMemory(log.connection))
    notices = NoticeService(JetStreamNotices(log.connection), limits, once)
    stored_trail = JetStreamTrail(log.connection)
    trail_log = TrailLog(log, stored_trail)
    trail = Trail(stored_trail, clock, span_s=settings.trail_span_seconds)
    readers = Readers(cache, trail)
    ring = key_ring(settings)
    return Services(
        log=log,
        read_model=read_model,
        cache=cache,
        clock=clock,
        messages=MessageService(
            log=log,
            read_model=read_model,
            rooms=cache,
            readers=readers,
            writer=writer,
            effects=effects,
            progress=progress,
            clock=clock,
            limits=limits,
            notices=notices,
            made=ByteBudget(
                Patience(settings.request_wait_seconds), ErrorCode.DATABASE_UNAVAILABLE
            ),
        ),
        reactions=ReactionService(
            read_model=read_model,
            rooms=cache,
            readers=readers,
            writer=writer,
            effects=effects,
            progress=progress,
        ),
        redactions=RedactionService(
            log=log,
            eraser=JetStreamEraser(erase_url(settings), log.partitions),
            read_model=read_model,
            rooms=cache,
            writer=writer,
            progress=progress,
            trail=trail,
            clock=clock,
        ),
        rooms=RoomService(
            log=log,
            read_model=read_model,
            snapshots=snapshots,
            rooms=cache,
            readers=readers,
            writer=writer,
            progress=progress,
            markers=markers,
            notices=notices,
            once=once,
            names=names,
        ),
        events=EventService(
            log=log, readers=readers, patience=Patience(settings.request_wait_seconds)
        ),
        notices=notices,
        names=names,
        tokens=tokens,
        limiter=limiter,
        trees=trees,
        proofs=ProofService(log=log, trees=trees, keys=ring),
        records=RecordService(stored_trail),
        trail_log=trail_log,
        trail_proofs=ProofService(log=trail_log, trees=trees, keys=ring),
    )


def _rates(settings: Settings) -> Rates:
    return Rates(
        user_messages_per_second=settings.user_messages_per_second,
        room_messages_per_second=settings.room_messages_per_second,
        connects_per_minute=settings.connects_per_minute,
        spam_guard=settings.spam_guard,
    )


def serve(settings: Settings) -> None:
    """Serve REST and WebSocket on the settings' address until SIGINT or SIGTERM."""
    try:
        set_up_tracing(settings.otlp_endpoint, service="roomlog")
    except ImportError as error:
        raise SettingsError(
            "ROOMLOG_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: "
            "install roomlog with its extra `otel`"
        ) from error
    try:
        uvloop.run(_serve(settings))
    finally:
        shut_down_tracing()


async def _serve(settings: Settings) -> None:
    sockets = listening_sockets(settings.host, settings.port)
    async with open_services(settings) as parts:
        presence = PresenceService(
            JetStreamPresence(parts.log.connection), typing_s=settings.typing_seconds
        )
        manager = WebSocketManager(parts.events, presence, connections_max=settings.max_connections)
        manager.listen(parts.notices)
        presence.start()
        resets: set[asyncio.Task[None]] = set()

        async def let_rooms_go() -> None:
            await parts.cache.clear()
            # Whoever subscribed in between listens to a room that was let go.
            manager.log_was_reset()

        def reset() -> None:
            manager.log_was_reset()
            task = asyncio.ensure_future(let_rooms_go())
            resets.add(task)
            task.add_done_callback(resets.discard)

        parts.log.on_reset(reset)
        app = create_app(
            HttpParts(
                messages=parts.messages,
                reactions=parts.reactions,
                redactions=parts.redactions,
                rooms=parts.rooms,
                events=parts.events,
                presence=presence,
                notices=parts.notices,
                names=parts.names,
                tokens=parts.tokens,
                proofs=parts.proofs,
                records=parts.records,
                trail_proofs=parts.trail_proofs,
                health=lambda: health(
                    parts.log, parts.read_model, parts.trees, parts.tokens, parts.clock
                ),
                lag=lambda: projection_lag(parts.log, parts.read_model, parts.clock),
                trees=lambda: tree_lag(parts.log, parts.trail_log, parts.trees, parts.clock),
                stopping=lambda: server.should_exit,
                clock=parts.clock,
                allowed_origins=settings.allowed_origins,
                patience=Patience(settings.request_wait_seconds),
            ),
            websocket_handlers=websocket_handlers(_realtime(settings, parts, manager)),
        )
        server = _Server(server_config(app, lifespan="on"))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        spare_what_stays()
        recording = asyncio.create_task(stay_on_record(manager, parts.events))
        try:
            await server.serve(sockets=sockets)
        finally:
            recording.cancel()
            await presence.close()


class _Server(uvicorn.Server):
    """Ends cleanly when told to: uvicorn itself raises the signal again after its shutdown."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to whoever serves."""
        yield

    def stop(self) -> None:
        """Begin to shut down; asked again, don't wait for anybody."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _realtime(settings: Settings, parts: Services, manager: WebSocketManager) -> RealtimeParts:
    return RealtimeParts(
        manager=manager,
        messages=parts.messages,
        reactions=parts.reactions,
        rooms=parts.rooms,
        events=parts.events,
        tokens=parts.tokens,
        limiter=parts.limiter,
        clock=parts.clock,
        heartbeat_s=settings.heartbeat_seconds,
        allowed_origins=settings.allowed_origins,
        limits={
            "text_bytes": settings.max_text_bytes,
            "structured_bytes": settings.max_structured_bytes,
        },
        outbox_lines=settings.outbox_frames,
        outbox_bytes=settings.outbox_bytes,
        patience=Patience(settings.append_wait_seconds),
    )
