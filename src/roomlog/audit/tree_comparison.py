"""Whether what is exported of a room is what its tree was made of, when its events were appended."""

from base64 import b64encode
from collections.abc import Collection

from roomlog.audit.export import ExportError
from roomlog.core.tree_head import TreeHead
from roomlog.ports import EventLog
from roomlog.services.proof_service import ProofService
from roomlog.tree_ports import TreeReader
from roomlog_contract.errors import ErrorCode, RefusedError

_DIFFERS = "the log is not what its trees were made of: `roomlog audit check` says where"


class TreeComparison:
    """Compares heads of one room with its tree."""

    def __init__(
        self, log: EventLog, trees: TreeReader, proofs: ProofService, room_id: str
    ) -> None:
        self._log = log
        self._trees = trees
        self._proofs = proofs
        self._room_id = room_id

    async def require(
        self, head: TreeHead, *, up_to: int | None, explained: Collection[int]
    ) -> None:
        """Return where `head`, of the events up to sequence `up_to` or of all there are, is what
        the tree says. `explained`: sequences of events that redactions tell of.

        Raises ExportError, and as ProofService does.
        """
        try:
            kept = await self._proofs.room_checkpoint(self._room_id, head.size)
        except RefusedError as error:
            if error.code == ErrorCode.INVALID:
                raise ExportError(_DIFFERS) from error
            raise
        if (kept.origin, kept.root) != (head.origin, b64encode(head.root).decode()):
            raise ExportError(_DIFFERS)
        # The beginning fits. What the tree has next must be there too, or have been left out.
        following = await self._trees.sequence_of(self._room_id, head.size)
        if following is None or following in explained:
            return
        if up_to is not None and following > up_to:
            return
        if await self._log.event_at(self._room_id, following) is None:
            raise ExportError(f"the end of the room is missing from the log, from {following} on")
