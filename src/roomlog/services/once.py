"""Idempotency for writes that leave no event in the log: each request once, whatever the retries."""

from collections.abc import Awaitable, Callable

from roomlog.memory_ports import Claim, RequestMemory
from roomlog.services import identity
from roomlog_contract.errors import ErrorCode, RefusedError

Step = Callable[[], Awaitable[None]]


class Once:
    """Does what is asked for under a key once."""

    def __init__(self, memory: RequestMemory) -> None:
        self._memory = memory

    async def run(
        self, request_id: str, request: tuple[object, ...], *, check: Step, do: Step
    ) -> bool:
        """`check` and `do`, unless the request was done before, which is returned.

        `check` raises RefusedError; what is refused does not use the key up. `do` must do no harm
        when it is repeated: it is, where its end did not come to be known. `request` is what the
        digest is made of, its name first. Raises RefusedError `idempotency_mismatch` where the
        key belongs to another one, LogUnavailableError, and what both steps raise.
        """
        digest = identity.request_digest(request)
        try:
            await check()
        except RefusedError:
            known = await self._memory.find(request_id)
            if known is None or not _of(known, digest).finished:
                raise
            return True
        claim = _of(await self._memory.claim(request_id, digest), digest)
        if not claim.finished:
            await do()
            await self._memory.finish(request_id, digest)
        return claim.finished


def _of(claim: Claim, digest: str) -> Claim:
    if claim.digest != digest:
        raise RefusedError(ErrorCode.IDEMPOTENCY_MISMATCH, "this key was used for another request")
    return claim
