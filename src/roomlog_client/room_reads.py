"""What can be asked about a room, now or as of a moment of its past."""

from datetime import datetime

from roomlog_client.rest import Rest
from roomlog_contract import resources as rs
from roomlog_contract.types import SearchOrder

Moment = int | str | datetime
"""A moment of a room's past: a sequence, or a time (RFC 3339; a datetime with its zone), which
means the room's last event appended by then."""


class RoomReads:
    """A room's questions, by REST. Each raises RefusedError, UnavailableError and ClosedError, and
    ValueError for a datetime without a zone."""

    def __init__(self, rest: Rest, room_id: str) -> None:
        self._rest = rest
        self.room_id = room_id

    async def presence(self) -> list[rs.PresentUser]:
        """Who is connected to the room."""
        found = await self._rest.get(self._path("online"), rs.PresenceResponse)
        return found.users

    async def history(
        self,
        *,
        limit: int = rs.PAGE_LIMIT_DEFAULT,
        before: int | None = None,
        after: int | None = None,
        as_of: Moment | None = None,
        min_sequence: int | None = None,
        cursor: str | None = None,
        **filters: str | int,
    ) -> rs.RoomPage[rs.MessageResponse]:
        """A page of messages as they stand, newest first (with `after` oldest first).

        `as_of` shows them as they stood then. `min_sequence` makes it reflect at least the event
        there, such as one's own. `filters` are those of the contract: `before_timestamp`, `type`,
        `sender`. `cursor` is the `next` of the page before, and goes on as of its moment.
        """
        query = {
            **filters,
            "limit": limit,
            "before": before,
            "after": after,
            "as_of": _moment(as_of),
            "min_sequence": min_sequence,
            "cursor": cursor,
        }
        return await self._rest.get(self._path("messages"), rs.RoomPage[rs.MessageResponse], query)

    async def search(
        self,
        q: str,
        *,
        limit: int = rs.PAGE_LIMIT_DEFAULT,
        order: SearchOrder | str = SearchOrder.NEWEST,
        as_of: Moment | None = None,
        min_sequence: int | None = None,
        cursor: str | None = None,
        **filters: str | int,
    ) -> rs.RoomPage[rs.SearchHit]:
        """A page of what matches `q` (web-search syntax), or with `as_of` matched then."""
        query = {
            **filters,
            "q": q,
            "limit": limit,
            "order": SearchOrder(order).value,
            "as_of": _moment(as_of),
            "min_sequence": min_sequence,
            "cursor": cursor,
        }
        return await self._rest.get(self._path("messages/search"), rs.RoomPage[rs.SearchHit], query)

    async def unread(self) -> int:
        """How many messages of others lie above the read marker."""
        return (await self.info()).unread

    async def info(
        self, *, as_of: Moment | None = None, min_sequence: int | None = None
    ) -> rs.RoomResponse:
        """The room's name, status, one's own role, and so on, as they are or were then."""
        query = {"as_of": _moment(as_of), "min_sequence": min_sequence}
        return await self._rest.get(f"/api/rooms/{self.room_id}", rs.RoomResponse, query)

    async def members(
        self,
        *,
        limit: int = rs.PAGE_LIMIT_DEFAULT,
        as_of: Moment | None = None,
        min_sequence: int | None = None,
        cursor: str | None = None,
    ) -> rs.RoomPage[rs.MemberResponse]:
        """A page of who is a member, or was then, in order of user id."""
        query = {
            "limit": limit,
            "as_of": _moment(as_of),
            "min_sequence": min_sequence,
            "cursor": cursor,
        }
        return await self._rest.get(self._path("members"), rs.RoomPage[rs.MemberResponse], query)

    async def message(
        self, message_id: str, *, as_of: Moment | None = None, min_sequence: int | None = None
    ) -> rs.MessageResponse:
        """One message as it stands, or as it stood then."""
        query = {"as_of": _moment(as_of), "min_sequence": min_sequence}
        return await self._rest.get(self._path(f"messages/{message_id}"), rs.MessageResponse, query)

    def _path(self, below: str) -> str:
        return f"/api/rooms/{self.room_id}/{below}"


def _moment(as_of: Moment | None) -> int | str | None:
    """A moment as it stands in a query. Raises ValueError for a datetime without a zone."""
    if not isinstance(as_of, datetime):
        return as_of
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    return as_of.isoformat()
