"""The page at `/`: a build of `src/console`, which stands in the package beside this module.

The page contacts nobody but this server, and its policy lets it do nothing else: no script or
style but the files here, and no HTML made of text but by its own policy (Trusted Types).
"""

import gzip
from functools import cache
from hashlib import sha256
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_304_NOT_MODIFIED
from msgspec import Struct

from roomlog.http.requests import ApiRequest

_FOLDER = Path(__file__).parent / "console"
_ASSETS = _FOLDER / "assets"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"  # the name of an asset holds its hash
_ASK_ANEW = "no-cache"
_POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
        *("connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
        *("require-trusted-types-for 'script'", "trusted-types roomlog"),
    )
)
_SECURITY = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _File(Struct, frozen=True):
    content: bytes
    zipped: bytes
    media_type: str
    etag: str


@cache
def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(
        content,
        gzip.compress(content, mtime=0),
        _TYPES[path.suffix],
        f'"{sha256(content).hexdigest()[:32]}"',
    )


@cache
def _assets() -> frozenset[str]:
    return frozenset(path.name for path in _ASSETS.iterdir() if path.suffix in _TYPES)


def _answer(request: ApiRequest, path: Path, caching: str) -> Response[bytes]:
    file = _read(path)
    headers = {
        **_SECURITY,
        "Cache-Control": caching,
        "ETag": file.etag,
        "Vary": "Accept-Encoding",
    }
    if file.etag in request.headers.get("If-None-Match", ""):
        return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
    content = file.content
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        content, headers["Content-Encoding"] = file.zipped, "gzip"
    return Response(content, media_type=file.media_type, headers=headers)


@get("/", include_in_schema=False)
async def page(request: ApiRequest) -> Response[bytes]:
    """The page itself, the same for everybody: who is signed in is the browser's to know."""
    return _answer(request, _FOLDER / "index.html", _ASK_ANEW)


@get("/favicon.svg", include_in_schema=False)
async def favicon(request: ApiRequest) -> Response[bytes]:
    """The page's picture."""
    return _answer(request, _FOLDER / "favicon.svg", _ASK_ANEW)


@get("/assets/{name:str}", include_in_schema=False)
async def asset(request: ApiRequest, name: FromPath[str]) -> Response[bytes]:
    """What the page loads."""
    if name not in _assets():
        raise NotFoundException
    return _answer(request, _ASSETS / name, _FOREVER)
