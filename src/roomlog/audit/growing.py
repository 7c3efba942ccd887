"""What a batch of events does to the rooms' trees: from stored bytes to leaves, runs and nodes."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from roomlog.core.erasure import erasure_of
from roomlog.core.leaves import commit_holds, event_leaf_hash, parts_of
from roomlog.core.redaction import saying_by
from roomlog.core.room_tree import RoomTree
from roomlog.core.upcasters import UnreadableEventError, decode_event
from roomlog.ports import LogEvent
from roomlog.tree_ports import (
    Finding,
    FindingKind,
    Growth,
    LeafRun,
    Redaction,
    RoomNode,
    TreeRow,
)

_REDACTED = b'"type":"message.redacted"'
_TYPE_WITHIN_BYTES = 100  # it stands right behind the version


class Growing:
    """Grows trees by a batch. `trees` are those of its rooms as they stand."""

    def __init__(self, trees: Mapping[str, TreeRow]) -> None:
        self._before = trees
        self._rooms: dict[str, _RoomGrowing] = {}
        self._nodes: list[RoomNode] = []
        self._findings: list[Finding] = []
        self._redactions: list[Redaction] = []
        self._missing = 0

    def add(self, event: LogEvent) -> None:
        """The next event of the log."""
        known = event.room_id in self._rooms or event.room_id in self._before
        if not known and not is_room(event.room_id):
            self.find(event.sequence, FindingKind.FOREIGN, f"under {event.room_id!r}, no room")
            return
        parts = parts_of(event.data)
        self._append(event.room_id, event.sequence, parts.envelope)
        if not commit_holds(parts):
            self.find(event.sequence, FindingKind.COMMIT, "its body is not what was committed to")
        if _REDACTED in event.data[:_TYPE_WITHIN_BYTES]:
            redaction = redaction_of(event)
            if redaction is None:
                self.find(event.sequence, FindingKind.REDACTION, "it explains no event")
            else:
                self._redactions.append(redaction)

    def add_erased(self, redaction: Redaction) -> None:
        """The next event of the log is one that was erased."""
        self._append(redaction.room_id, redaction.sequence, redaction.envelope)

    def miss(self, first: int, last: int) -> None:
        """The next events of the log are gone, and nothing explains them."""
        self._missing += last - first + 1
        self._findings.append(hole(first, last))

    def find(self, sequence: int, kind: FindingKind, detail: str) -> None:
        """Something is wrong with the event there."""
        self._findings.append(Finding(sequence, sequence, kind, detail))

    def reject(self, redaction: Redaction, detail: str) -> None:
        """A redaction of this batch explains nothing: it is not true."""
        self._redactions.remove(redaction)
        self.find(redaction.redacted_by, FindingKind.REDACTION, detail)

    @property
    def redactions(self) -> Sequence[Redaction]:
        """What the batch's redactions say, each yet to be compared with its leaf."""
        return self._redactions

    def leaf(self, room_id: str, sequence: int) -> bytes | None:
        """The hash of a leaf that this batch has added."""
        room = self._rooms.get(room_id)
        if room is None or sequence not in room.sequences:
            return None
        return room.hashes[room.sequences.index(sequence)]

    def done(self) -> Growth:
        """All that the batch did."""
        grown = [(room_id, room) for room_id, room in self._rooms.items()]
        rows = [_row(room_id, room) for room_id, room in grown]
        return Growth(
            trees=rows,
            runs=[
                LeafRun(room_id, room.first, room.sequences, room.hashes, row.root)
                for (room_id, room), row in zip(grown, rows, strict=True)
            ],
            nodes=self._nodes,
            redactions=self._redactions,
            findings=self._findings,
            missing=self._missing,
        )

    def _append(self, room_id: str, sequence: int, envelope: bytes) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = _RoomGrowing(self._before.get(room_id))
        hashed = event_leaf_hash(sequence, envelope)
        room.sequences.append(sequence)
        room.hashes.append(hashed)
        for found in room.tree.append(hashed):
            self._nodes.append(RoomNode(room_id, found))


class _RoomGrowing:
    __slots__ = ("first", "hashes", "sequences", "tree")

    def __init__(self, before: TreeRow | None) -> None:
        self.tree = RoomTree() if before is None else RoomTree(before.size, before.edge)
        self.first = self.tree.size
        self.sequences: list[int] = []
        self.hashes: list[bytes] = []


def _row(room_id: str, room: _RoomGrowing) -> TreeRow:
    tree = room.tree
    return TreeRow(room_id, tree.size, tree.edge, tree.root(), room.sequences[-1])


def hole(first: int, last: int) -> Finding:
    """Events that are gone, and that no redaction explains."""
    count = last - first + 1
    gone = "an event is gone" if count == 1 else f"{count} events are gone"
    return Finding(first, last, FindingKind.HOLE, f"{gone}, and no redaction explains it")


def is_room(room_id: str) -> bool:
    """Whether it is a room's id, in its one form."""
    try:
        return str(UUID(room_id)) == room_id
    except ValueError:
        return False


def redaction_of(event: LogEvent) -> Redaction | None:
    """What a `message.redacted` explains; None where it is no such event, or explains none that
    can have stood before it in its room and said something of its message."""
    try:
        stored = decode_event(event.data)
    except UnreadableEventError:
        return None
    erasure = erasure_of(stored)
    if erasure is None or stored.room_id != event.room_id:
        return None
    saying = saying_by(erasure.envelope)
    if saying is None or saying.message_id != stored.message_id:
        return None
    if saying.room_id != event.room_id or not 0 < erasure.sequence < event.sequence:
        return None
    return Redaction(erasure.sequence, event.room_id, erasure.envelope, event.sequence)
