"""Signed checkpoints and proofs of the log, from the trees that are kept of it."""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from operator import gt

import msgspec

from roomlog.core import room_tree as rt
from roomlog.core.merkle import Range, consistency_ranges, inclusion_ranges, tree_root
from roomlog.core.tree_head import TreeHead
from roomlog.services.audit_keys import KeyRing
from roomlog.services.tree_ranges import MissingHashesError, range_roots
from roomlog.trail_ports import LeafLog
from roomlog.tree_ports import Heads, TreeReader, TreeRow
from roomlog_contract import proofs as pr
from roomlog_contract.errors import ErrorCode, RefusedError

WAIT_S = 5.0
_POLL_S = 0.1


class _HeadsTree(msgspec.Struct, frozen=True):
    """The tree over all rooms' heads at a place in the log."""

    sequences: Sequence[int]
    epoch: str
    heads: Sequence[rt.RoomHead]
    hashes: Sequence[bytes]
    root: bytes

    @classmethod
    def of(cls, found: Heads) -> "_HeadsTree":
        heads = rt.heads_in_order(found.heads)
        hashes = rt.heads_hashes(heads)
        return cls(found.sequences, found.epoch, heads, hashes, tree_root(hashes))

    def roots(self, ranges: Sequence[Range]) -> list[bytes]:
        return [tree_root(self.hashes[begin:end]) for begin, end in ranges]


class ProofService:
    """Who may ask is judged by the caller. Every method raises RefusedError, LogUnavailableError
    and DatabaseUnavailableError.

    What is asked for without a size is proved for all that the log holds when it is asked: the
    trees are waited for up to 5 s, then the answer is `projection_behind`.
    """

    def __init__(self, *, log: LeafLog, trees: TreeReader, keys: KeyRing) -> None:
        self._log = log
        self._trees = trees
        self._keys = keys
        self._kept: _HeadsTree | None = None

    def keys(self) -> pr.AuditKeys:
        """The public keys, that which signs now first."""
        signing = self._keys.signing
        current = None if signing is None else signing.verifier
        return pr.AuditKeys(
            [pr.AuditKey(key.name, str(key), key == current) for key in self._keys.verifiers]
        )

    async def room_checkpoint(self, room_id: str, size: int | None = None) -> pr.RoomCheckpoint:
        """The head of the room's tree, as it is or as it was with `size` leaves, signed."""
        name = self._keys.required().name
        tree = await self._tree(room_id)
        if size is None or size == tree.size:
            size, root, sequence = tree.size, tree.root, tree.last_sequence
        else:
            (root,) = await self._roots(room_id, [_whole(size, tree)])
            sequence = await self._trees.sequence_of(room_id, size - 1) or 0
        epoch = self._log.epoch
        head = TreeHead(rt.room_origin(name, epoch, room_id), size, root)
        return pr.RoomCheckpoint(
            room_id, epoch, sequence, head.origin, size, _text(root), self._keys.signed(head)
        )

    async def inclusion(
        self, room_id: str, sequence: int, size: int | None = None
    ) -> pr.InclusionProof:
        """That the room's event at `sequence` is in its tree, as it is or with `size` leaves.

        `not_found` where the room has no event there; `invalid` where the tree of that size ends
        before it.
        """
        tree = await self._tree(room_id)
        whole = _whole(tree.size if size is None else size, tree)
        place = await self._trees.place_of(room_id, sequence)
        if place is None:
            raise _no_event(sequence)
        if place.index >= whole.end:
            raise _invalid("size", f"a tree of {whole.end} leaves ends before that event")
        ranges = inclusion_ranges(place.index, whole.end)
        root, *hashes = await self._roots(room_id, [whole, *ranges])
        return pr.InclusionProof(
            room_id,
            sequence,
            place.index,
            _text(place.hashed),
            whole.end,
            _text(root),
            [_text(one) for one in hashes],
        )

    async def consistency(
        self, room_id: str, from_size: int, to_size: int | None = None
    ) -> pr.ConsistencyProof:
        """That the room's tree of `from_size` leaves is the beginning of what it is, or of that
        of `to_size` leaves."""
        tree = await self._tree(room_id)
        new = _whole(tree.size if to_size is None else to_size, tree, "to")
        if not 0 < from_size <= new.end:
            raise _invalid("from", f"a tree of {new.end} leaves has no beginning of that size")
        ranges = consistency_ranges(from_size, new.end)
        old_root, new_root, *hashes = await self._roots(
            room_id, [Range(0, from_size), new, *ranges]
        )
        return pr.ConsistencyProof(
            room_id,
            from_size,
            _text(old_root),
            new.end,
            _text(new_root),
            [_text(one) for one in hashes],
        )

    async def log_checkpoint(self) -> pr.LogCheckpoint:
        """The head of the tree over all rooms' heads as they are, signed."""
        name = self._keys.required().name
        for partition in range(self._log.partitions):
            state = await self._log.partition_state(partition)
            await self._wait(partition, state.last_sequence)
        tree = await self._heads_tree(None)
        origin = rt.heads_origin(name, tree.epoch, tree.sequences)
        head = TreeHead(origin, len(tree.heads), tree.root)
        return pr.LogCheckpoint(
            *(tree.epoch, list(tree.sequences), origin, head.size, _text(tree.root)),
            self._keys.signed(head),
        )

    async def head(self, room_id: str, sequences: Sequence[int] | None) -> pr.HeadProof:
        """That the room's head was in the tree over all rooms' heads, at `sequences` or now.

        `not_found` where the room had no event by then, `invalid` where the log is not that far.
        """
        if sequences is None:
            await self._tree(room_id)
        else:
            await self._reach(sequences)
        tree = await self._heads_tree(sequences)
        index = next((i for i, head in enumerate(tree.heads) if head.room_id == room_id), None)
        if index is None:
            raise RefusedError(ErrorCode.NOT_FOUND, "the room had no event by then")
        ranges = inclusion_ranges(index, len(tree.hashes))
        hashes = await asyncio.to_thread(tree.roots, ranges)
        head = tree.heads[index]
        return pr.HeadProof(
            room_id,
            head.size,
            _text(head.root),
            list(tree.sequences),
            index,
            len(tree.hashes),
            _text(tree.root),
            [_text(one) for one in hashes],
        )

    async def _heads_tree(self, sequences: Sequence[int] | None) -> _HeadsTree:
        asked = (self._log.epoch, list(sequences or ()))
        kept = self._kept
        if kept is not None and (kept.epoch, list(kept.sequences)) == asked:
            return kept
        found = await self._heads_of(sequences)
        if found is None or found.epoch != self._log.epoch:
            raise _behind()
        # With many rooms it takes a while, in which others are to be answered.
        self._kept = await asyncio.to_thread(_HeadsTree.of, found)
        return self._kept

    async def _reach(self, sequences: Sequence[int]) -> None:
        """Wait until the trees are there. Raises `invalid` where the log itself is not."""
        ends = [
            (await self._log.partition_state(partition)).last_sequence
            for partition in range(self._log.partitions)
        ]
        if len(sequences) != len(ends) or any(map(gt, sequences, ends)):
            raise _invalid("sequences", "are no place in this log")
        for partition, sequence in enumerate(sequences):
            await self._wait(partition, sequence)

    async def _heads_of(self, sequences: Sequence[int] | None) -> Heads | None:
        try:
            return await self._trees.heads(sequences)
        except MissingHashesError as error:
            raise _behind() from error

    async def _tree(self, room_id: str) -> TreeRow:
        """The room's tree with all that the log holds of it now."""
        head = await self._log.last_sequence(room_id)
        if not head:
            raise RefusedError(
                ErrorCode.NOT_FOUND, "nothing is in the log under that id: see whether it is right"
            )
        await self._wait(self._log.partition_of(room_id), head)
        tree = await self._trees.tree(room_id)
        if tree is None:
            raise _behind()
        return tree

    async def _wait(self, partition: int, sequence: int) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WAIT_S
        while True:
            for status in await self._trees.statuses():
                if (status.partition, status.epoch) == (partition, self._log.epoch):
                    if status.sequence >= sequence:
                        return
                    if status.halted is not None:
                        raise _behind("the trees do not grow: `roomlog audit status` says why")
            if loop.time() >= deadline_s:
                raise _behind()
            await asyncio.sleep(_POLL_S)

    async def _roots(self, room_id: str, ranges: Sequence[Range]) -> list[bytes]:
        try:
            return await range_roots(self._trees, room_id, ranges)
        except MissingHashesError as error:
            raise _behind() from error


def _whole(size: int, tree: TreeRow, field: str = "size") -> Range:
    if not 0 < size <= tree.size:
        raise _invalid(field, f"the tree has {tree.size} leaves")
    return Range(0, size)


def _no_event(sequence: int) -> RefusedError:
    detail = (
        f"the room has no event of sequence {sequence}: "
        "an event's `sequence` or a message's `sequence_number` names one"
    )
    return RefusedError(ErrorCode.NOT_FOUND, detail)


def _invalid(field: str, detail: str) -> RefusedError:
    return RefusedError(ErrorCode.INVALID, detail, field=field)


def _behind(detail: str = "the trees are not that far yet") -> RefusedError:
    return RefusedError(ErrorCode.PROJECTION_BEHIND, detail, retry_after_s=1)


def _text(hashed: bytes) -> str:
    return b64encode(hashed).decode()
