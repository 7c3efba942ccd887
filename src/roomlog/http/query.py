"""The query as a whole: what its path doesn't know is refused, and not left unheard."""

from functools import cache
from typing import Any, get_args

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import QueryParameter

from roomlog.http.requests import invalid


def require_known_query(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Each query parameter is one that the route takes, and there once.

    A misspelt filter that nobody heeds would give more than was asked for, and one of a later
    version something else. Raises RefusedError `invalid` with the parameter as field.
    """
    assert isinstance(handler, HTTPRouteHandler)
    if not connection.scope["query_string"]:
        return
    taken, seen = _taken(handler), set[str]()
    for name, value in connection.query_params.multi_items():
        if name not in taken:
            raise invalid(name or "query", "is no query parameter of this path")
        if name in seen:
            raise invalid(name, "is there more than once")
        seen.add(name)
        if not taken[name] and value.lower() == "null":
            # Read leniently it would be no value at all.
            raise invalid(name, "must have a value: leave it out instead")


@cache
def _taken(handler: HTTPRouteHandler) -> dict[str, bool]:
    """The query parameters of a route; true for those that may be any text."""
    fields = handler.parsed_fn_signature.parameters.items()
    return {
        field.kwarg_definition.name or key: str in get_args(field.annotation)
        for key, field in fields
        if isinstance(field.kwarg_definition, QueryParameter)
    }
