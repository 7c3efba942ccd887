"""REST: Litestar routes over the services, with every error a problem."""

from roomlog.http.app import create_app
from roomlog.http.parts import HttpParts

__all__ = ["HttpParts", "create_app"]
