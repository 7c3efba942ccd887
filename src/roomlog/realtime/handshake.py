"""What a client brings with its connection: token, subprotocol, origin, where to resume."""

from collections.abc import Collection, Iterable, Sequence
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.frames import Subscribe

SUBPROTOCOL = "roomlog.v1"
TOKEN_SUBPROTOCOL = "roomlog.bearer."  # noqa: S105 - a prefix, not a token
_QUERY_FIELDS_MAX = 32


def split_query(query: str) -> tuple[str, str | None]:
    """The query without its `token`, and the token: nothing that logs may see it."""
    if "token" not in query and "%" not in query:
        return query, None
    fields = _fields(query)
    tokens = [value for name, value in fields if name == "token"]
    rest = urlencode([field for field in fields if field[0] != "token"])
    return rest, tokens[-1] if tokens else None


def _fields(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX)
    except ValueError:
        return []


def offered_token(
    authorization: str | None, subprotocols: Iterable[str], query_token: str | None
) -> str | None:
    """The token from the Authorization header, else a subprotocol, else the query."""
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    for offered in subprotocols:
        if offered.startswith(TOKEN_SUBPROTOCOL):
            return offered.removeprefix(TOKEN_SUBPROTOCOL)
    return query_token


def chosen_subprotocol(subprotocols: Sequence[str]) -> str | None:
    """The subprotocol to answer with; never the one that carries the token."""
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


def origin_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of this origin may connect.

    Clients that are no browsers send no Origin. Without a list of allowed origins, only the
    server's own is, which is the Host that the client asked for.
    """
    if origin is None:
        return True
    if allowed:
        return origin.lower().rstrip("/") in {one.lower().rstrip("/") for one in allowed}
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return bool(host) and parts.scheme in {"http", "https"} and _same(parts, host or "")


def _same(origin: SplitResult, host: str) -> bool:
    default_port = ":443" if origin.scheme == "https" else ":80"
    return origin.netloc.lower().removesuffix(default_port) == host.lower().removesuffix(
        default_port
    )


def first_subscription(query: str, room_id: str) -> Subscribe:
    """What `/ws/{room_id}?after=&epoch=&html=` asks for. Raises RefusedError `invalid`."""
    given = dict(_fields(query))
    after = given.get("after")
    if after is not None and not (
        after.isascii() and after.isdigit() and len(after) <= 19 and int(after) < 2**63
    ):
        raise RefusedError(ErrorCode.INVALID, "must be a sequence", field="after")
    return Subscribe(
        room_id=room_id,
        after=None if after is None else int(after),
        epoch=given.get("epoch"),
        html=given.get("html", "").lower() in {"1", "true", "yes", "on"},
    )
