"""Whether this process lives, whether it can serve, and what it counts. No token is asked for."""

from collections.abc import Mapping

import msgspec
from litestar import Response, get
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from roomlog.http.answers import NO_STORE, answer
from roomlog.http.metrics import scrape
from roomlog.http.problems import MEDIA_TYPE, problem
from roomlog.http.requests import ApiRequest
from roomlog.metrics import CONTENT_TYPE
from roomlog.services.health import PartStatus
from roomlog_contract.errors import ErrorCode, Problem


class Liveness(msgspec.Struct, frozen=True):
    status: str


class Readiness(msgspec.Struct, frozen=True):
    """`status`: `ready`, or `degraded` where a part is away that sends do not need."""

    status: str
    parts: dict[str, PartStatus]


class NotReady(Problem, frozen=True, kw_only=True):
    """A problem that also names each part."""

    parts: dict[str, PartStatus]


@get("/livez")
async def livez() -> Response[Liveness]:
    """The process answers."""
    return answer(Liveness("ok"))


@get("/readyz")
async def readyz(request: ApiRequest) -> Response[Readiness]:
    """What each part says of itself; 503 where one is away without which nothing can be sent."""
    parts = dict(await request.parts.health())
    missing = [name for name, part in parts.items() if part.required and not part.ok]
    if missing:
        return _not_ready(parts, missing)  # type: ignore[return-value] - a problem instead
    ready = all(part.ok for part in parts.values())
    return answer(Readiness("ready" if ready else "degraded", parts), status=HTTP_200_OK)


def _not_ready(parts: Mapping[str, PartStatus], missing: list[str]) -> Response[NotReady]:
    told = problem(ErrorCode.LOG_UNAVAILABLE, f"away: {', '.join(missing)}")
    return Response(
        NotReady(**msgspec.structs.asdict(told), parts=dict(parts)),
        status_code=HTTP_503_SERVICE_UNAVAILABLE,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": NO_STORE, "Retry-After": "1"},
    )


@get("/metrics", media_type="text/plain")
async def metrics(request: ApiRequest) -> Response[bytes]:
    """What is counted and measured, for Prometheus."""
    return Response(await scrape(request.parts), headers={"Content-Type": CONTENT_TYPE})
