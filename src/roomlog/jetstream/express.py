"""An event of another room beside a commit that one busy room fills.

One commit is under way while the next gathers, so that an event waits for the one and then for
its own: twice as long as the busy room's own events need, each of which is sent when the last has
its answer. So another room's event is published singly at once, a few at a time, and on a
connection of its own: on the other one it would stand behind the commit, and its answer behind all
that the busy room is told. That costs an fsync more for each, and only while one room floods.

The order within a room holds: what a room appends while its express is under way waits for it.
Only one that was given up without an answer, its outcome told as unknown, may still land behind
what the room appended since.
Whatever does not go well is committed again by the ordinary way, which judges it; the stream
knows an event by its id that had landed.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from roomlog.jetstream.connection import Connection
from roomlog.jetstream.exchange import Continuity, Entry, Exchange, Unit, whole
from roomlog.ports import LogUnavailableError

AT_ONCE_MAX: Final = 2
FLOOD_EVENTS_MIN: Final = 12


def flooding(entries: Sequence[Entry]) -> str | None:
    """The room that fills a commit: with FLOOD_EVENTS_MIN events or more, and most of all."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry.room_id] = counts.get(entry.room_id, 0) + len(entry.events)
    if not counts:
        return None
    room_id = max(counts, key=counts.__getitem__)
    return room_id if FLOOD_EVENTS_MIN <= counts[room_id] > sum(counts.values()) / 2 else None


class Express:
    """The single events that are under way beside the commit, on `connection`, which is begun when
    it is first wanted. `identified` says whether the log is known to be the same since that
    connection was made.

    `appended(sequence)` is called after each. `over(entries)` gets it and what followed it, in
    order: what of these has no answer is to be committed by the ordinary way, before all that
    waits there.
    """

    def __init__(
        self,
        connection: Connection,
        continuity: Continuity,
        identified: Callable[[], bool],
        appended: Callable[[int], None],
        over: Callable[[Sequence[Entry]], None],
    ) -> None:
        self._connection = connection
        self._continuity = continuity
        self._identified = identified
        self._appended = appended
        self._over = over
        self._under_way: dict[str, list[Entry]] = {}
        self._exchanges: dict[str, Exchange] = {}

    @property
    def entries(self) -> list[Entry]:
        """All that is under way or follows it."""
        return [entry for entries in self._under_way.values() for entry in entries]

    def may_send(self) -> bool:
        """Whether another may be sent now; the connection is begun where there is none yet."""
        if not self._connection.connected:
            self._connection.begin()
            return False
        return len(self._under_way) < AT_ONCE_MAX and self._identified()

    def follows(self, entry: Entry) -> bool:
        """Hold an entry behind the same room's express, if there is one."""
        entries = self._under_way.get(entry.room_id)
        if entries is None:
            return False
        entries.append(entry)
        return True

    def send(self, entry: Entry) -> None:
        """Publish an entry of one event that is its room's only one, where `may_send`."""
        exchange = Exchange(self._connection, [unit := whole([entry])], self._continuity)
        self._under_way[entry.room_id] = [entry]
        exchange.finished.add_done_callback(lambda _: self._finish(exchange, unit))
        self._exchanges[entry.room_id] = exchange
        with contextlib.suppress(LogUnavailableError):
            if exchange.send():
                return
        exchange.finished.set_result(None)

    def look(self) -> None:
        """Finish those for which nobody waits any more."""
        for exchange in self._exchanges.values():
            exchange.look()

    def _finish(self, exchange: Exchange, unit: Unit) -> None:
        (entry,) = unit.entries
        exchange.forget()
        del self._exchanges[entry.room_id]
        entries = self._under_way.pop(entry.room_id)
        if unit.ack is None:
            entry.uncertain = entry.sent
        elif unit.ack.error is None:
            self._appended(unit.ack.seq)
        self._over(entries)
