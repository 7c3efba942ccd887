"""Starts a part of `roomlog up` with its servers behind proxies.

`python linked_part.py LINKS ROLE COMMAND…`: takes the first free place of its role (`api-0`,
`api-1`, …), writes down in LINKS where the servers really are, and becomes the command, with
settings that name the proxies' ports. A place is free again when its process ends.
"""

import fcntl
import itertools
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_SERVERS = {"nats": "ROOMLOG_NATS_URL", "postgres": "ROOMLOG_DATABASE_URL"}


def take_place(links: Path, role: str) -> str:
    """The name of a place that nobody else has, held until this process ends."""
    for number in itertools.count():
        name = f"{role}-{number}"
        held = os.open(links / f"{name}.held", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            continue
        os.set_inheritable(held, True)
        return name
    raise AssertionError


def main(links: Path, role: str, command: list[str]) -> None:
    place = take_place(links, role)
    for server, setting in _SERVERS.items():
        url = urlsplit(os.environ[setting])
        link = f"{place}-{server}"
        new = links / f"{link}.new"
        new.write_text(f"{url.hostname}:{url.port}")
        new.replace(links / f"{link}.server")
        port = (links / f"{link}.port").read_text()
        credentials, _, _ = url.netloc.rpartition("@")
        netloc = f"{credentials}@127.0.0.1:{port}"
        os.environ[setting] = urlunsplit(url._replace(netloc=netloc))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
