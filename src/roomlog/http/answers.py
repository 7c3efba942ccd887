"""What goes out: structs as JSON, with the headers that the contract promises."""

from typing import TypeVar

from litestar import Response
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from roomlog import metrics
from roomlog.http.cursors import AnyCursor, encode_cursor, next_link
from roomlog.http.rate_limits import rate_limit_headers
from roomlog.http.requests import ApiRequest
from roomlog.services.writer import Receipt
from roomlog_contract import resources as rs

T = TypeVar("T")

REPLAYED = {"Idempotency-Replayed": "true"}
NO_STORE = "no-store"  # what one user may read now is nobody else's, nor theirs tomorrow


def answer(
    content: T, headers: dict[str, str] | None = None, status: int = HTTP_200_OK
) -> Response[T]:
    """An answer with a body."""
    return Response(
        content, status_code=status, headers={"Cache-Control": NO_STORE, **(headers or {})}
    )


def message_answer(message: rs.MessageResponse) -> Response[rs.MessageResponse]:
    """A message with its version as ETag."""
    return answer(message, {"ETag": etag(message)})


def etag(message: rs.MessageResponse) -> str:
    """The strong entity tag of what a message says (RFC 9110, 8.8.3)."""
    return f'"{message.version}"'


def page_answer(
    request: ApiRequest, page: rs.RoomPage[T], cursor: AnyCursor | None
) -> Response[rs.RoomPage[T]]:
    """A page of a room; `cursor` says where the next one begins, None at the end."""
    following, headers = _next(request, cursor)
    return answer(rs.RoomPage(page.items, following, page.head, page.epoch), headers)


def plain_page_answer(
    request: ApiRequest, items: list[T], cursor: AnyCursor | None
) -> Response[rs.Page[T]]:
    """The same outside a room."""
    following, headers = _next(request, cursor)
    return answer(rs.Page(items, following), headers)


def _next(request: ApiRequest, cursor: AnyCursor | None) -> tuple[str | None, dict[str, str]]:
    if cursor is None:
        return None, {}
    following = encode_cursor(cursor)
    return following, {"Link": next_link(request.scope["path"], following)}


def written(request: ApiRequest, receipt: Receipt | None, *, projected: bool) -> dict[str, str]:
    """The headers that tell of a write; it is counted too. No receipt: nothing had to change."""
    headers: dict[str, str] = {}
    if receipt is not None:
        counter = metrics.HTTP_REPLAYS if receipt.repeated else metrics.HTTP_APPENDS
        counter.labels(request.scope["path_template"]).inc()
        if receipt.repeated:
            headers.update(REPLAYED)
        headers.update(rate_limit_headers(receipt.quotas))
    if not projected:
        headers["Roomlog-Projected"] = "false"
    return headers


def nothing(headers: dict[str, str] | None = None) -> Response[None]:
    """An answer without a body."""
    return Response(
        None,
        status_code=HTTP_204_NO_CONTENT,
        headers={"Cache-Control": NO_STORE, **(headers or {})},
    )
