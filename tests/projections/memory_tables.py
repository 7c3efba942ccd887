"""The tables as dictionaries: what row changes mean, as plainly as it can be said."""

from collections.abc import Sequence
from typing import Any

from projections.batch import SeenId, Touched, Wanted, project_batch, wanted
from projections.row_changes import Add, Delete, DeleteWhere, RowChange, Update, UpdateWhere, Upsert
from roomlog_contract import events as ev
from roomlog_contract.fold import MemberState, MessageState, ReactionState, RoomState
from roomlog_contract.types import MessageType, RoomRole, RoomStatus

Row = dict[str, Any]


class MemoryTables:
    """Tables by name, those that have rows; each row by the values of its key."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {}

    def rows(self, table: str) -> list[Row]:
        return list(self.tables.get(table, {}).values())

    def project(self, events: Sequence[ev.RoomEvent], partition: int = 0) -> None:
        """Project a partition's batch on top of what is there, nothing remembered but the rows."""
        touched = self.load(wanted(events, {}))
        projected = project_batch(events, touched, {}, partition=partition, render=rendered)
        self.apply(projected.changes)

    def apply(self, changes: Sequence[RowChange]) -> None:
        for change in changes:
            rows = self.tables.setdefault(change.table, {})
            match change:
                case Upsert():
                    key = tuple(change.key.values())
                    assert not (change.fresh and key in rows), f"{change} is not fresh"
                    rows[key] = {**change.key, **change.values}
                case Update():
                    rows[tuple(change.key.values())].update(change.values)
                case Add():
                    key = tuple(change.key.values())
                    row = rows.setdefault(key, {**change.key, **dict.fromkeys(change.values, 0)})
                    for name, number in change.values.items():
                        row[name] += number
                    if not any(row[name] for name in change.values):
                        del rows[key]
                case Delete():
                    rows.pop(tuple(change.key.values()), None)
                case UpdateWhere():
                    for row in rows.values():
                        if matches(row, change.where):
                            row.update(change.values)
                case DeleteWhere():
                    gone = [key for key, row in rows.items() if matches(row, change.where)]
                    for key in gone:
                        del rows[key]
        self.tables = {name: rows for name, rows in self.tables.items() if rows}

    def load(self, asked: Wanted) -> Touched:
        rooms = {
            row["room_id"]: self._room(row)
            for row in self.rows("incident_rooms")
            if row["room_id"] in asked.room_ids
        }
        messages = {
            row["message_id"]: self.message(row)
            for row in self.rows("messages")
            if row["message_id"] in asked.message_ids
        }
        seen = {
            row["event_id"]: SeenId(row["room_id"], row["sequence"])
            for row in self.rows("processed_events")
            if row["event_id"] in asked.event_ids
        } | {
            row["message_id"]: SeenId(row["room_id"], row["sequence_number"])
            for row in self.rows("messages")
            if row["message_id"] in asked.event_ids
        }
        return Touched(rooms, messages, seen)

    def _room(self, row: Row) -> RoomState:
        members = {
            m["user_id"]: MemberState(RoomRole(m["role"]), m["since"], m["name"])
            for m in self.rows("room_members")
            if m["room_id"] == row["room_id"]
        }
        fields = {k: v for k, v in row.items() if k not in {"partition", "status"}}
        return RoomState(**fields, status=RoomStatus(row["status"]), members=members)

    def message(self, row: Row) -> MessageState:
        reactions = sorted(
            (r for r in self.rows("message_reactions") if r["message_id"] == row["message_id"]),
            key=lambda r: r["reaction_id"],
        )
        return MessageState(
            message_id=row["message_id"],
            room_id=row["room_id"],
            sequence=row["sequence_number"],
            sender_id=row["sender_id"],
            message_type=MessageType(row["message_type"]),
            content=row["content"],
            metadata=row["metadata"],
            reply_to=row["reply_to"],
            created_at=row["created_at"],
            edited_at=row["edited_at"],
            deleted_at=row["deleted_at"],
            version=row["version"],
            reactions={
                (r["emoji"], r["user_id"]): ReactionState(r["added_sequence"], r["created_at"])
                for r in reactions
            },
        )


def matches(row: Row, where: Any) -> bool:
    return all(row[name] == value for name, value in where.items())


def rendered(content: str) -> str:
    return f"<p>{content}</p>"
