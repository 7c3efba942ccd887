"""The page at `/schema` that shows the OpenAPI document: Swagger UI, from its wheel.

Everything that it loads comes from this server, and its policy lets it contact nobody else.
"""

from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath

ASSETS = "/assets"
HEADERS = {
    # Swagger UI styles its elements by attributes, and draws its icons from data of its own.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What the page, the document and their files are sent with."""

_VENDOR = "vendor"
_MAX_AGE_S = 86_400
_TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "page.js": "text/javascript; charset=utf-8",
}
_SCRIPT = """\
window.ui = SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>roomlog: the REST interface</title>
<link rel="icon" type="image/png" href="/schema/assets/favicon-32x32.png">
<link rel="stylesheet" href="/schema/assets/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/schema/assets/swagger-ui-bundle.js"></script>
<script src="/schema/assets/page.js"></script>
</body>
</html>
"""


class ApiPage(OpenAPIRenderPlugin):
    """Litestar's plugin for the page and what it loads."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page, the same for everybody: it asks for the document itself."""
        del request, openapi_schema
        return _PAGE.encode()

    def receive_router(self, router: Router) -> None:
        """Serve the files beside the page."""
        router.register(_asset)


@get(f"{ASSETS}/{{name:str}}", include_in_schema=False)
async def _asset(name: FromPath[str]) -> Response[bytes]:
    if name not in _TYPES:
        raise NotFoundException
    headers = {"Cache-Control": f"public, max-age={_MAX_AGE_S}", "Content-Type": _TYPES[name]}
    return Response(_content(name), headers=headers)


@cache
def _content(name: str) -> bytes:
    if name == "page.js":
        return _SCRIPT.encode()
    vendor = files("swagger_ui_bundle") / _VENDOR
    folder = next(entry for entry in vendor.iterdir() if entry.name.startswith("swagger-ui-"))
    return (folder / name).read_bytes()
