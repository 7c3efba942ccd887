"""What the REST interface is made of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from roomlog.core.admission import Patience
from roomlog.http.newest_pages import NewestPages
from roomlog.ports import Clock
from roomlog.services.denials import DenialLog
from roomlog.services.event_feed import FEEDS_MAX, READINGS_MAX, OpenStreams
from roomlog.services.event_service import EventService
from roomlog.services.health import PartStatus
from roomlog.services.identity import SystemClock
from roomlog.services.message_service import MessageService
from roomlog.services.notice_service import NoticeService
from roomlog.services.presence_service import PresenceService
from roomlog.services.projection_lag import PartitionLag
from roomlog.services.proof_service import ProofService
from roomlog.services.reaction_service import ReactionService
from roomlog.services.record_service import RecordService
from roomlog.services.redaction_service import RedactionService
from roomlog.services.room_service import RoomService
from roomlog.services.tokens import TokenVerifier
from roomlog.services.tree_lag import TreeLag
from roomlog.services.user_names import UserNames

BODY_BYTES_MAX = 1024 * 1024


def _never() -> bool:
    return False


Health = Callable[[], Awaitable[Mapping[str, PartStatus]]]
Lag = Callable[[], Awaitable[Sequence[PartitionLag]]]
Trees = Callable[[], Awaitable[Sequence[TreeLag]]]


async def _unknown_lag() -> Sequence[PartitionLag]:
    return ()


async def _unknown_trees() -> Sequence[TreeLag]:
    return ()


@dataclass(frozen=True, kw_only=True)
class HttpParts:
    """Everything that `create_app` serves, wired by the caller.

    `health` names each part (such as `log` and `database`) and must answer within seconds. `lag`
    is how far the tables are behind the log, `trees` how far the trees. `stopping` says that feeds
    must end now. `body_bytes_max` limits request bodies; it must leave room for the text and structured data
    that the settings allow, escaped. `allowed_origins` are those whose pages browsers let read
    the answers; empty means the server's own alone. `patience` says how long requests wait for the
    worker.
    """

    messages: MessageService
    reactions: ReactionService
    redactions: RedactionService
    rooms: RoomService
    events: EventService
    presence: PresenceService
    notices: NoticeService
    names: UserNames
    tokens: TokenVerifier
    proofs: ProofService
    records: RecordService
    trail_proofs: ProofService
    health: Health
    body_bytes_max: int = BODY_BYTES_MAX
    allowed_origins: tuple[str, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    lag: Lag = _unknown_lag
    trees: Trees = _unknown_trees
    stopping: Callable[[], bool] = _never
    feeds: OpenStreams = field(default_factory=lambda: OpenStreams(FEEDS_MAX, "event streams"))
    readings: OpenStreams = field(
        default_factory=lambda: OpenStreams(READINGS_MAX, "readings of whole rooms")
    )
    patience: Patience = field(default_factory=lambda: Patience(0))
    denials: DenialLog = field(default_factory=DenialLog)
    newest: NewestPages = field(default_factory=NewestPages)
