"""The sample incident itself: who says and does what, in order."""

from typing import Any, NamedTuple

import msgspec

from roomlog_contract.types import MessageType, RoomStatus

COMMANDER = "maria@example.org"
_JONAS = "jonas@example.org"
_AIKO = "aiko@example.org"
_LENA = "lena@example.org"
_PIPELINE = ("pipeline@example.org", "service")

ROOM: dict[str, Any] = {
    "name": "checkout-errors",
    "title": "Checkout answers one request in five with 502",
    "severity": "sev1",
    "members": [
        {"user_id": _JONAS, "role": "responder"},
        {"user_id": _AIKO, "role": "responder"},
        {"user_id": _LENA, "role": "observer"},
        {"user_id": _PIPELINE[0], "role": "responder"},
    ],
}


class Say(msgspec.Struct, frozen=True):
    """`who` is a user id and the roles of their token; `name` is what later steps call it."""

    name: str
    who: tuple[str, ...]
    content: str
    message_type: MessageType = MessageType.TEXT
    metadata: dict[str, Any] = {}
    reply_to: str | None = None


class Edit(msgspec.Struct, frozen=True):
    name: str
    who: str
    content: str
    reason: str


class Delete(msgspec.Struct, frozen=True):
    name: str
    who: str
    reason: str


class React(msgspec.Struct, frozen=True):
    name: str
    who: str
    emoji: str


class SetStatus(msgspec.Struct, frozen=True):
    status: RoomStatus


Step = Say | Edit | Delete | React | SetStatus


class Moment(NamedTuple):
    """What is done `at_s` seconds after the incident's room was opened."""

    at_s: int
    step: Step


STORY: tuple[Moment, ...] = (
    Moment(
        35,
        Say("page", (COMMANDER,), "Taking command. Checkout answers 502 since 14:02, about 20 %."),
    ),
    Moment(
        52,
        Say(
            "alert",
            _PIPELINE,
            "checkout 502 rate 19.7 % (threshold 1 %)",
            MessageType.INCIDENT_DATA,
            {
                "kind": "alert",
                "data": {"service": "checkout", "rate": 0.197, "window_s": 300},
            },
        ),
    ),
    Moment(
        140,
        Say("looking", (_JONAS,), "Looking at the load balancer. @aiko can you check the deploys?"),
    ),
    Moment(
        395,
        Say(
            "deploy",
            (_AIKO,),
            "Release 4.18.0 went out at **14:01**, one minute before:\n\n"
            "```\nif (pool.size() < max) { pool.grow(); }  // List<Conn>\n```",
            reply_to="looking",
        ),
    ),
    Moment(430, React("deploy", COMMANDER, "👀")),
    Moment(
        520,
        Say(
            "graph",
            (_JONAS,),
            "Connections to the database, last hour",
            MessageType.IMAGE_REF,
            {
                "url": "https://example.org/graphs/checkout-connections.png",
                "content_type": "image/png",
                "alt": "A line that jumps from 40 to 400 at 14:01",
                "width": 1200,
                "height": 480,
            },
        ),
    ),
    Moment(610, Say("slip", (_AIKO,), "export DB_PASSWORD=hunter2")),
    Moment(628, Delete("slip", _AIKO, "pasted into the wrong window")),
    Moment(
        905,
        Say(
            "cause", (_AIKO,), "The new pool never gives connections back. Rolling back to 4.17.2."
        ),
    ),
    Moment(922, React("cause", COMMANDER, "👍")),
    Moment(931, React("cause", _JONAS, "👍")),
    Moment(
        1010,
        Edit(
            "cause",
            _AIKO,
            "The new pool never gives connections back after a timeout. Rolling back to 4.17.3.",
            "4.17.3 is the version before",
        ),
    ),
    Moment(
        1525,
        Say(
            "rollback",
            _PIPELINE,
            "checkout 4.17.3 is live in all regions",
            MessageType.SYSTEM,
            {"event": "notice"},
        ),
    ),
    Moment(1610, SetStatus(RoomStatus.MITIGATED)),
    Moment(
        2190,
        Say(
            "heap",
            (_JONAS,),
            "Heap dump of one instance, for the review",
            MessageType.FILE_REF,
            {
                "url": "https://example.org/dumps/checkout-7f9c.hprof.gz",
                "filename": "checkout-7f9c.hprof.gz",
                "content_type": "application/gzip",
                "size": 183_500_800,
            },
        ),
    ),
    Moment(
        2405,
        Say(
            "down",
            (COMMANDER,),
            "502 rate is at 0.02 % and falling. Thank you all.",
            reply_to="page",
        ),
    ),
    Moment(2431, React("down", _AIKO, "🎉")),
)
"""The incident takes forty minutes and is over; its edit comes within the edit window."""

LASTS_S = STORY[-1].at_s
