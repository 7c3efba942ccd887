"""Whether all that was shown of a room - pages, views, tables - is the fold of its log."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from roomlog_contract import fold as fd
from roomlog_contract.events import RoomEvent
from tests.histories.history import History, Outcome, Read, Tables, View, Write
from tests.histories.shown import differences, shown
from tests.histories.violations import Kind, Violation


class _Room:
    """A room's fold as it goes, with every message as shown and in order."""

    def __init__(self) -> None:
        self.fold = fd.Fold()
        self.shown: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.sequences: list[int] = []
        self.edits: list[tuple[str, int]] = []

    def apply(self, event: RoomEvent) -> None:
        effect = self.fold.apply(event)
        match effect:
            case fd.MessageAdded() | fd.Reacted() | fd.Unreacted():
                self._show(effect.message)
            case fd.MessageChanged() | fd.MessageRemoved():
                self._show(effect.after)
                self.edits.append((effect.after.message_id, event.sequence))
            case fd.MessageErased():
                self._show(effect.after)
                self.edits = [one for one in self.edits if one[0] != effect.after.message_id]
            case fd.RoomChanged() | fd.MemberChanged():
                if effect.message is not None:
                    self._show(effect.message)
            case fd.RoomOpened() | fd.NoEffect():
                pass

    def _show(self, message: fd.MessageState) -> None:
        if message.message_id not in self.shown:
            self.order.append(message.message_id)
            self.sequences.append(message.sequence)
        self.shown[message.message_id] = shown(message)

    def page(self, read: Read) -> list[dict[str, Any]]:
        """The newest messages that were asked for, newest first."""
        end = len(self.order)
        if read.before is not None:
            end = bisect_left(self.sequences, read.before)
        return [self.shown[one] for one in reversed(self.order[max(0, end - read.limit) : end])]


def check_pictures(history: History, rooms: dict[str, list[RoomEvent]]) -> Iterator[Violation]:
    """Compare every picture in the history with the fold."""
    reads: dict[str, list[Read]] = defaultdict(list)
    views: dict[str, list[View]] = defaultdict(list)
    for read in history.reads:
        reads[read.room].append(read)
    for view in history.views:
        views[view.room].append(view)
    ended: dict[str, _Room] = {}
    for room, log in rooms.items():
        told = [w for w in history.writes if w.room == room]
        yield from _check_stale(reads[room], told)
        ended[room] = _Room()
        yield from _walk(room, log, ended[room], reads[room], views[room], told)
    if history.tables is not None:
        yield from _check_checkpoints(history, history.tables)
        yield from _check_tables(history.tables, ended)


def _check_stale(reads: list[Read], writes: list[Write]) -> Iterator[Violation]:
    """A page reflects what it was asked to, and whatever somebody was told to be readable."""
    told = sorted(
        (w.ended_s, w.sequence)
        for w in writes
        if w.outcome is Outcome.ACKED and w.projected and w.ended_s is not None
    )
    for read in reads:
        if read.as_of is not None:
            continue
        due = max((seq for ended_s, seq in told if ended_s < read.begun_s), default=0)
        if read.head < max(due, read.min_sequence):
            detail = (
                f"{read.client} was shown {read.head}; asked for {read.min_sequence}, "
                f"and {due} was told to be readable before"
            )
            yield Violation(Kind.READ_STALE, read.room, detail)


def _walk(
    room: str,
    log: list[RoomEvent],
    state: _Room,
    reads: list[Read],
    views: list[View],
    writes: list[Write],
) -> Iterator[Violation]:
    sequences = [event.sequence for event in log]
    waiting: list[tuple[int, int, Read]] = []
    for read in reads:
        lowest, highest = _bounds(read, sequences, writes)
        waiting.append((lowest, highest, read))
    waiting.sort(key=lambda one: one[0], reverse=True)
    open_reads: list[tuple[int, Read]] = []
    views = sorted(views, key=lambda one: one.sequence)
    at = 0
    for event in log:
        state.apply(event)
        following = log[at + 1].sequence if at + 1 < len(log) else event.sequence + 1
        while waiting and waiting[-1][0] < following:
            _, highest, read = waiting.pop()
            open_reads.append((highest, read))
        still: list[tuple[int, Read]] = []
        for highest, read in open_reads:
            if state.page(read) == read.items:
                continue
            if highest < following:
                yield _read_differs(state, read, event.sequence)
            else:
                still.append((highest, read))
        open_reads = still
        while views and views[0].sequence < following:
            yield from _check_view(state, views.pop(0), event.sequence)
        at += 1
    for _, read in open_reads:
        yield _read_differs(state, read, sequences[-1])
    for _, _, read in waiting:
        yield Violation(Kind.READ_DIFFERS, room, f"a head beyond the log: {read.head}")
    for view in views:
        yield Violation(Kind.VIEW_DIFFERS, room, f"a view beyond the log: {view.sequence}")


def _bounds(read: Read, sequences: list[int], writes: list[Write]) -> tuple[int, int]:
    """Between which sequences the page's moment lies."""
    if read.as_of is not None:
        return read.as_of, read.as_of
    # What was not even asked for when the answer came cannot be in it.
    later = [w.sequence for w in writes if w.begun_s > read.ended_s and w.sequence]
    end = sequences[-1] if sequences else 0
    return read.head, max(read.head, min(later, default=end + 1) - 1)


def _read_differs(state: _Room, read: Read, at: int) -> Violation:
    expected = [(one["message_id"], one) for one in state.page(read)]
    got = [(one["message_id"], one) for one in read.items]
    detail = f"{read.client}, head {read.head}, at {at}: {differences(got, expected)}"
    if [one for one, _ in got] != [one for one, _ in expected]:
        detail += f"; {len(got)} messages in another order or number than {len(expected)}"
    return Violation(Kind.READ_DIFFERS, read.room, detail)


def _check_view(state: _Room, view: View, at: int) -> Iterator[Violation]:
    told = differences(view.messages.items(), state.shown.items())
    room = state.fold.room
    members = {} if room is None else {who: str(one.role) for who, one in room.members.items()}
    status = "" if room is None else str(room.status)
    if view.sequence != at:
        told.append(f"it is at {view.sequence}, where the room has no event")
    if members != view.members or status != view.status:
        told.append(f"{view.members}, {view.status} instead of {members}, {status}")
    if told:
        detail = f"{view.client} at {view.sequence}: {told}"
        yield Violation(Kind.VIEW_DIFFERS, view.room, detail)


def _check_checkpoints(history: History, tables: Tables) -> Iterator[Violation]:
    parts = zip(history.begins_after, history.partitions(), tables.checkpoints, strict=True)
    for partition, (begins_after, log, checkpoint) in enumerate(parts):
        head = log[-1].sequence if log else begins_after
        if checkpoint != head:
            detail = f"partition {partition}: the checkpoint is {checkpoint}, the log's end {head}"
            yield Violation(Kind.TABLES_DIFFER, "", detail)


def _check_tables(tables: Tables, rooms: dict[str, _Room]) -> Iterator[Violation]:
    if not tables.verified:
        yield Violation(Kind.NOT_VERIFIED, "", tables.detail)
    for room, state in rooms.items():
        rows = [row for row in tables.messages if row["room_id"] == room]
        got = {
            row["message_id"]: {k: v for k, v in row.items() if k != "reactions"} for row in rows
        }
        wanted = {one: _row(message) for one, message in state.shown.items()}
        if told := differences(got.items(), wanted.items()):
            yield Violation(Kind.TABLES_DIFFER, room, f"messages: {told}")
        mine = set(state.shown)
        reactions = sorted(one for one in tables.reactions if one[0] in mine)
        folded = sorted(
            (message.message_id, user, emoji)
            for message in state.fold.messages.values()
            for emoji, user in message.reactions
        )
        if reactions != folded:
            lost = sorted(set(folded) - set(reactions))[:3]
            more = sorted(set(reactions) - set(folded))[:3]
            yield Violation(Kind.TABLES_DIFFER, room, f"reactions: {more} and not {lost}")
        if sorted(one for one in tables.edits if one[0] in mine) != sorted(state.edits):
            yield Violation(Kind.TABLES_DIFFER, room, "the history of edits")
        members = state.fold.room.members if state.fold.room is not None else {}
        roles = sorted((room, who, str(one.role)) for who, one in members.items())
        if sorted(one for one in tables.members if one[0] == room) != roles:
            yield Violation(Kind.TABLES_DIFFER, room, "the members")
    strange = {row["room_id"] for row in tables.messages} - set(rooms)
    for room in sorted(strange):
        yield Violation(Kind.TABLES_DIFFER, room, "a room that the log has not")


def _row(message: dict[str, Any]) -> dict[str, Any]:
    """A message as its row tells it: what comes from elsewhere is left out."""
    names = ("message_id", "room_id", "sequence_number", "sender_id", "message_type")
    row = {name: message[name] for name in (*names, "content", "metadata", "reply_to", "version")}
    row["edited"] = message["edited_at"] is not None
    row["deleted"] = message["deleted_at"] is not None
    return row
