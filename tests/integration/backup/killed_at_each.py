"""Run a backup again and again, killed at its first, second, … write to the disk, until one is
whole; print after each what is in the folder. Each begins with the folder as it was at first.

python killed_at_each.py NATS_URL FOLDER KEYS
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from roomlog.backup import manifest as mf
from roomlog.backup.check import check_files, load_whole, messages_of
from roomlog.backup.make import Witnesses, make_backup
from roomlog.jetstream.connection import Connection
from roomlog.jetstream.raw_streams import JetStreamStreams


async def back_up(url: str, folder: Path, keys: Path) -> None:
    connection = Connection(url)
    await connection.open()
    source = JetStreamStreams(connection)
    await make_backup(
        await source.describe(),
        source,
        folder,
        before=mf.load(folder),
        keys=keys,
        witnesses=Witnesses(),
        advance=lambda _count: None,
    )
    await connection.close()


def kill_at(number: int) -> None:
    """Have this process killed before its call of that number that changes what is on disk."""
    count = 0

    def counted(call):
        def instead(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return instead

    for name in ("fsync", "replace", "unlink", "truncate", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))


def look(folder: Path) -> dict[str, object]:
    manifest = load_whole(folder)
    check_files(folder, manifest, lambda _bytes: None)
    kept = manifest.stream("ROOMLOG")
    assert kept is not None
    return {
        "run": manifest.run,
        "messages": sum(1 for _ in messages_of(folder, kept)),
        "secret_left": any(b"hunter2" in path.read_bytes() for path in folder.iterdir()),
    }


def main(url: str, folder: Path, keys: Path) -> None:
    kept = folder.with_name("as-it-was")
    shutil.copytree(folder, kept)
    number, killed = 0, True
    while killed:
        number += 1
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        child = os.fork()
        if not child:
            kill_at(number)
            asyncio.run(back_up(url, folder, keys))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.waitstatus_to_exitcode(status) == 0
        print(json.dumps({"killed": killed, **look(folder)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
