"""The OpenAPI document of REST: made from the handlers and structs, completed and held by tests."""

from roomlog.http.openapi.document import BEARER, PATH, complete, openapi_config

__all__ = ["BEARER", "PATH", "complete", "openapi_config"]
