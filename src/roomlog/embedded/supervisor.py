"""`roomlog up`: both servers, migrations, projector and API as children of one process.

    start    NATS and PostgreSQL together -> migrate -> projector and API -> ready
    watch    a child that dies is started again, later each time that it dies at once
    stop     API, projector, PostgreSQL, NATS: nobody loses what it still needs

The servers keep their ports over restarts, so clients find them again by themselves.
"""

import http.client
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from roomlog.embedded.backoff import Backoff
from roomlog.embedded.data_directory import DataDirectory, Pids, RunFile
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.nats import NatsServer
from roomlog.embedded.postgres import PostgresServer
from roomlog.embedded.processes import Process, ProcessSpec, shorten_log
from roomlog.embedded.restore_place import refuse_half_restored
from roomlog.embedded.servers import EmbeddedServer, await_ready, describe_exit
from roomlog.embedded.stop_signals import StopRequested, StopSignals, stop_signals
from roomlog.embedded.tcp_ports import reserve_port

STOP_TIMEOUT_S = 10.0
QUICK_DEATHS_BEFORE_READY_MAX = 5
_READY_POLL_S = 0.05
_WATCH_POLL_S = 1.0
_LOG_CHECK_S = 30.0
_STILL_WAITING_S = 10.0
_HTTP_TIMEOUT_S = 2.0
_READINESS_BYTES_MAX = 65_536

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `roomlog up` runs. The commands are argument vectors.

    They find the servers, the address and the key in ROOMLOG_NATS_URL, _NATS_ERASE_URL,
    _DATABASE_URL, _HOST, _PORT and _JWT_SECRET. The API's command is run `workers` times and must bind HOST:PORT
    with SO_REUSEPORT and SO_REUSEADDR (without the latter, connections that it has closed keep
    the port from the next start for a minute). Without `jwt_secret`, the directory's development
    key is used, made at the first start; with `has_key_set`, there is no secret then. Without
    `has_audit_key`, a key that signs checkpoints is made in the directory, where the commands find
    it.
    """

    data: DataDirectory
    host: str
    port: int
    workers: int
    migrate: tuple[str, ...]
    project: tuple[str, ...]
    serve: tuple[str, ...]
    jwt_secret: str | None = None
    has_key_set: bool = False
    has_audit_key: bool = False


class _Child:
    """One supervised process and its successors."""

    def __init__(self, name: str, make_spec: Callable[[], ProcessSpec]) -> None:
        self.name = name
        self._make_spec = make_spec
        self.process: Process | None = None
        self.backoff = Backoff()
        self._start_at_s: float | None = None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def waits(self) -> bool:
        """Whether it is down until its next start is due."""
        return self._start_at_s is not None

    def adopt(self, process: Process) -> None:
        """Watch a process that was started elsewhere."""
        self.process = process

    def start(self) -> None:
        self.process = Process(self._make_spec())

    def keep_running(self, now_s: float) -> bool:
        """Start it again if it has died and its time has come; return whether that was done."""
        if self._start_at_s is None:
            if self.process is None or (code := self.process.exit_code()) is None:
                return False
            self.backoff = self.backoff.died(now_s - self.process.started_at_s)
            self._start_at_s = now_s + self.backoff.delay_s
            _log.warning(
                "%s ended (%s); it is started again in %.1f s. Its last lines: %s",
                self.name,
                describe_exit(code),
                self.backoff.delay_s,
                self.process.output_tail() or "none",
            )
        if now_s < self._start_at_s:
            return False
        try:
            self.start()
        except (OSError, EmbeddedError) as error:
            # A full disk, say: it may pass, so this counts as one more quick death.
            self.backoff = self.backoff.died(0.0)
            self._start_at_s = now_s + self.backoff.delay_s
            _log.warning("%s cannot be started: %s", self.name, error)
            return False
        self._start_at_s = None
        _log.info("%s runs again (process %d)", self.name, self.pid)
        return True


class Supervisor:
    """Runs a Plan to its end; see `run`."""

    def __init__(self, plan: Plan, stop: StopSignals, reservation: socket.socket) -> None:
        self._plan = plan
        self._stop = stop
        self._port = int(reservation.getsockname()[1])
        self._nats = NatsServer(plan.data)
        self._postgres = PostgresServer(plan.data)
        self._jwt_secret = plan.jwt_secret
        if self._jwt_secret is None and not plan.has_key_set:
            self._jwt_secret = plan.data.secret("jwt_secret")
        if not plan.has_audit_key:
            plan.data.audit_key()
        self._servers = (
            _Child("nats", self._nats.prepare),
            _Child("postgres", self._postgres.prepare),
        )
        self._projector = _Child("projector", lambda: self._spec("projector", plan.project))
        self._api = [
            _Child(name, lambda name=name: self._spec(name, plan.serve))
            for name in (f"api-{index + 1}" for index in range(plan.workers))
        ]
        self._other: Process | None = None
        self._run_file_due = False
        self._told_of_full_disk = False

    @property
    def run_file(self) -> RunFile:
        """Where everything is now."""
        return RunFile(
            base_url=_base_url(self._plan.host, self._port),
            nats_url=self._nats.url,
            database_url=self._postgres.url,
            pids=Pids(
                supervisor=os.getpid(),
                nats=self._servers[0].pid,
                postgres=self._servers[1].pid,
                projector=self._projector.pid,
                api=[worker.pid for worker in self._api],
            ),
            nats_erase_url=self._nats.erase_url,
        )

    def start(self) -> None:
        """Start everything and return when sends, live delivery and history all work.

        Raises EmbeddedError when a part does not come up, StopRequested when asked to stop.
        """
        _log.info("starting NATS and PostgreSQL in %s", self._plan.data.path)
        self._plan.data.clear_metrics()
        servers: tuple[EmbeddedServer, ...] = (self._nats, self._postgres)
        for child in self._servers:
            child.start()
        for child, server in zip(self._servers, servers, strict=True):
            assert child.process is not None
            child.adopt(await_ready(server, child.process, self._stop.pause))
        _log.info("migrating the tables")
        self._migrate()
        _log.info("starting the projector and the API (%d workers)", self._plan.workers)
        self._projector.start()
        for worker in self._api:
            worker.start()
        self._plan.data.write_run_file(self.run_file)
        self._await_api()

    def watch(self) -> None:
        """Keep everything running until StopRequested is raised."""
        check_logs_at_s = time.monotonic() + _LOG_CHECK_S
        while True:
            next_s = self._tend()
            if time.monotonic() >= check_logs_at_s:
                check_logs_at_s = time.monotonic() + _LOG_CHECK_S
                for child in self._children:
                    shorten_log(self._plan.data.log_path(child.name))
            self._stop.pause(next_s)

    def stop(self) -> None:
        """Stop everything, in the order in which nobody misses anything, and say so in run.json."""
        groups = [[self._other], [worker.process for worker in self._api]]
        groups += [[child.process] for child in (self._projector, *reversed(self._servers))]
        for group in groups:
            running = [p for p in group if p is not None and p.exit_code() is None]
            for process in running:
                self._ask_to_stop(process)
            deadline_s = time.monotonic() + STOP_TIMEOUT_S
            for process in running:
                if not process.end_within(max(0.0, deadline_s - time.monotonic())):
                    _log.warning("%s did not stop in time and was killed", process.spec.name)
        nats = self._servers[0].process
        if nats is not None:
            self._nats.note_end(nats)
        self._plan.data.remove_run_file()

    def _ask_to_stop(self, process: Process) -> None:
        """A NATS that failed to write is killed: as its last act it would write down a sequence
        that no event has, and that hole could never be told from an event that somebody took."""
        if process is self._servers[0].process and self._nats.takes_nothing(process):
            process.kill()
        else:
            process.signal_stop()

    @property
    def _children(self) -> list[_Child]:
        return [*self._servers, self._projector, *self._api]

    def _tend(self) -> float:
        """Restart what is due; return how long nothing needs to be done."""
        self._mend_log()
        self._nats.stage_in_memory()
        now_s = time.monotonic()
        restarted = [child.keep_running(now_s) for child in self._children]
        self._run_file_due |= any(restarted)
        if self._run_file_due:
            try:
                self._plan.data.write_run_file(self.run_file)
                self._run_file_due = False
            except OSError as error:
                _log.warning("run.json cannot be written, trying again: %s", error)
        return _READY_POLL_S if any(child.waits for child in self._children) else _WATCH_POLL_S

    def _mend_log(self) -> None:
        """End a NATS that takes no events since a write failed; it is started again by what
        starts the dead. Not while its disk is full: it could not even recover then."""
        nats = self._servers[0].process
        if nats is None or nats.exit_code() is not None or not self._nats.takes_nothing(nats):
            self._told_of_full_disk = False
        elif self._nats.has_room():
            _log.warning("NATS takes nothing since a write failed: it is started again")
            self._ask_to_stop(nats)
            nats.end_within(STOP_TIMEOUT_S)
        elif not self._told_of_full_disk:
            self._told_of_full_disk = True
            _log.error("NATS takes nothing, its disk is full: make room at %s", nats.spec.cwd)

    def _migrate(self) -> None:
        process = self._other = Process(self._spec("migrate", self._plan.migrate))
        while (code := process.exit_code()) is None:
            self._stop.pause(_WATCH_POLL_S)
        self._other = None
        if code != 0:
            raise EmbeddedError(
                f"the migrations failed ({describe_exit(code)}): "
                f"{process.output_tail(1)} (whole log: {process.spec.log})"
            )

    def _await_api(self) -> None:
        complain_at_s = time.monotonic() + _STILL_WAITING_S
        while reason := _not_ready(_base_url(self._plan.host, self._port)):
            self._tend()
            for child in self._children:
                if child.backoff.quick_deaths >= QUICK_DEATHS_BEFORE_READY_MAX and child.process:
                    raise EmbeddedError(
                        f"{child.name} does not start: {child.process.output_tail(1)} "
                        f"(whole log: {child.process.spec.log})"
                    )
            if time.monotonic() >= complain_at_s:
                complain_at_s = time.monotonic() + _STILL_WAITING_S
                _log.warning("still waiting for the API to be ready: %s", reason)
            self._stop.pause(_READY_POLL_S)

    def _spec(self, name: str, argv: tuple[str, ...]) -> ProcessSpec:
        data = self._plan.data
        given = {
            "ROOMLOG_NATS_URL": self._nats.url,
            "ROOMLOG_NATS_ERASE_URL": self._nats.erase_url,
            "ROOMLOG_DATABASE_URL": self._postgres.url,
            "ROOMLOG_HOST": self._plan.host,
            "ROOMLOG_PORT": str(self._port),
            "ROOMLOG_JWT_SECRET": self._jwt_secret or "",
            "PROMETHEUS_MULTIPROC_DIR": str(data.metrics),
        }
        return ProcessSpec(
            name=name,
            argv=argv,
            # Where we were started: a .env file and relative paths in settings mean that place.
            cwd=Path.cwd(),
            env={**os.environ, **given},
            log=data.log_path(name),
        )


def run(plan: Plan, on_ready: Callable[[RunFile], None]) -> None:
    """Run the plan until SIGINT or SIGTERM, then stop everything and return.

    `on_ready` is called once, when everything works. Raises EmbeddedError when the directory is
    in use, the port is taken, or a part does not start. Main thread only.
    """
    try:
        with (
            plan.data.lock(),
            reserve_port(plan.host, plan.port) as reservation,
            stop_signals() as stop,
        ):
            refuse_half_restored(plan.data)
            _refuse_survivors(plan.data)
            _run_locked(Supervisor(plan, stop, reservation), on_ready)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EmbeddedError(
            f"{error.strerror}: {error.filename or plan.data.path}: "
            "look at the free space and the owner of the data directory"
        ) from error


def _run_locked(supervisor: Supervisor, on_ready: Callable[[RunFile], None]) -> None:
    try:
        supervisor.start()
        on_ready(supervisor.run_file)
        supervisor.watch()
    except StopRequested:
        _log.info("stopping")
    finally:
        supervisor.stop()


def _refuse_survivors(data: DataDirectory) -> None:
    """Where children can outlive a killed supervisor, never run two servers on one log."""
    run_file = data.read_run_file()
    if run_file is None or os.path.exists("/proc/self/cwd"):  # noqa: PTH110 - one system call
        return
    for pid in (run_file.pids.nats, run_file.pids.postgres):
        try:
            os.kill(pid, 0)
        except OSError:
            continue
        raise EmbeddedError(
            f"process {pid} of an earlier `roomlog up` may still run in {data.path}: "
            f"stop it (kill {pid}), or remove {data.run_file} if it is another program"
        )


def _base_url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


class _Part(msgspec.Struct):
    ok: bool = True


class _Readiness(msgspec.Struct):
    """What /readyz says; `degraded` while the tables, or their projection, are away."""

    status: str | int = ""  # a number where it is a problem
    parts: dict[str, _Part] = {}

    @property
    def works(self) -> bool:
        """Whether everything works: also on a log that has lost events once."""
        away = {name for name, part in self.parts.items() if not part.ok}
        return self.status == "ready" or (self.status == "degraded" and away == {"integrity"})


def _not_ready(base_url: str) -> str | None:
    """What /readyz says is missing, or None when every part works."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=_HTTP_TIMEOUT_S
    )
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(_READINESS_BYTES_MAX)
        works = msgspec.json.decode(body, type=_Readiness).works
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK and works:
        return None
    return f"{answer.status} {body.decode(errors='replace')}"
