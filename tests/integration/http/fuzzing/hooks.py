"""What schemathesis can't know from the document: our formats, what there is, and what a refusal
may depend on. Loaded by schemathesis itself (see schemathesis.toml beside it).
"""

import json
import os
import re
from typing import Any

import emoji
import schemathesis
from hypothesis import strategies as st
from uuid_utils import uuid7

WORLD = "ROOMLOG_FUZZING_WORLD"
"""Names the environment variable with, as JSON, `room_id` and `messages` (a message's id for each
operation's id): what requests that are examples ask about."""

EVERYWHERE = frozenset[str]()
DEPENDS_ON_WHAT_IS_THERE = {
    # `If-Match` must name the version that the message has.
    ("version_mismatch", None): {"edit_message", "delete_message"},
    # A key belongs to the request that it was first used for.
    ("idempotency_mismatch", None): EVERYWHERE,
    # Nothing above the room's head can be waited for, shown, or have been read.
    ("invalid", "min_sequence"): EVERYWHERE,
    ("invalid", "as_of"): EVERYWHERE,
    ("invalid", "sequence"): {"put_read_marker"},
    # A tree has as many leaves as its room has events, and no proof of what is not in it.
    ("invalid", "size"): {"room_checkpoint", "inclusion", "trail_checkpoint", "trail_inclusion"},
    ("invalid", "from"): {"consistency", "trail_consistency"},
    ("invalid", "to"): {"consistency", "trail_consistency"},
    # A place in the log is where one of its events is, or was.
    ("invalid", "sequences"): {"head_inclusion"},
    # A cursor is opaque: only what a page gave is one.
    ("invalid", "cursor"): EVERYWHERE,
    # The last commander must stay one.
    ("invalid", "role"): {"put_member"},
    ("invalid", "user_id"): {"remove_member"},
    # A user has one role, however often named.
    ("invalid", "members"): {"create_room"},
    # A text may not be left blank, a picture's may; metadata must suit the message's type.
    ("invalid", "content"): {"edit_message"},
    ("invalid", "metadata"): {"edit_message"},
    # Only what somebody sent can be redacted, not what tells of a member or of the status.
    ("invalid", "message_id"): {"redact_message"},
}
"""By code and field: the operations that may refuse so what their schema allows."""

_EMOJI = sorted(emoji.EMOJI_DATA)
_VISIBLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)

schemathesis.openapi.format("emoji", st.integers(0, len(_EMOJI) - 1).map(_EMOJI.__getitem__))
schemathesis.openapi.format(
    "user-id", st.text(_VISIBLE, min_size=1, max_size=40) | st.emails(domains=st.just("a.example"))
)
# Headers are sent as Latin-1; what is no UTF-8 then counts as the UTF-8 of what it reads as.
_LATIN = st.text(
    st.characters(codec="latin-1", exclude_categories=("C", "Z")), min_size=1, max_size=200
)
schemathesis.openapi.format(
    "idempotency-key",
    st.just("x" * 200)
    | st.just("\xe9" * 100)
    | _LATIN.filter(lambda key: len(key.encode()) <= 200),
)
schemathesis.openapi.format("search", st.lists(_WORDS, min_size=1, max_size=4).map(" ".join))


def _operation_id(case: Any) -> str:
    return case.operation.definition.raw["operationId"]


@schemathesis.hook
def before_call(_ctx: Any, case: Any, _kwargs: Any) -> None:
    """Let requests that are listed, not made at random, get somewhere.

    Each has a key of its own: otherwise all would have the same, and nearly every write would be
    refused for being another one under a used key. Examples ask about what there is.
    """
    phase = None if case.meta is None else case.meta.phase.name.value
    if phase not in {"examples", "coverage"} or not case.meta.generation.mode.is_positive:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid7())
    if phase == "examples":
        world = json.loads(os.environ[WORLD])
        there = {
            "room_id": world["room_id"],
            "message_id": world["messages"][_operation_id(case)],
        }
        case.path_parameters |= {k: v for k, v in there.items() if k in case.path_parameters}
        case.headers.pop("If-Match", None)


@schemathesis.check
def refused_for_what_is_there(_ctx: Any, response: Any, case: Any) -> None:
    """A request that the schema allows is refused only for what no schema can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code not in {412, 422}:
        return
    told = response.json()
    fields = [re.split(r"[.\[]", error["field"])[0] for error in told.get("errors", [])] or [None]
    for field in fields:
        may = DEPENDS_ON_WHAT_IS_THERE.get((told["code"], field), {"nowhere"})
        assert may is EVERYWHERE or _operation_id(case) in may, f"refused without need: {told}"


@schemathesis.check
class EveryOperationSucceeds:
    """Requests get somewhere: each operation answers 2xx at least once.

    What is asked of its path by another method (OPTIONS always answers) is none of it.
    """

    def __init__(self) -> None:
        self.tried: set[str] = set()
        self.succeeded: set[str] = set()

    def after_response(self, _ctx: Any, response: Any, case: Any) -> None:
        """Note what was answered."""
        if case.method.upper() != case.operation.method.upper():
            return
        self.tried.add(case.operation.label)
        if 200 <= response.status_code < 300:
            self.succeeded.add(case.operation.label)

    def after_run(self, _ctx: Any) -> None:
        """Judge it."""
        assert self.tried == self.succeeded, f"never succeeded: {self.tried - self.succeeded}"
