"""How much may wait for a queue that is emptied by batches. Pure: time is an argument.

As in CoDel (RFC 8289), a long queue is no sign of overload, since a burst makes one too, but one
that stays long is. While the wait stays above what is aimed at, no more is taken in than can be
done in that time: so what is still taken is answered as fast as before.
"""

from typing import Final

PATIENCE_TIMES: Final = 4
"""How many times what is aimed at a burst may wait."""
_WEIGHT: Final = 0.2


class Admission:
    """How much a queue takes. Times are in seconds of one clock, whichever."""

    __slots__ = ("_least", "_most", "_per_second", "_since_s", "_standing", "_taken", "_target_s")

    def __init__(self, target_s: float, *, least: int, most: int) -> None:
        """`target_s` is the wait to aim at; 0 sets no bound but `most`. So much may always wait
        as `least` says, and never more than `most`."""
        self._target_s = target_s
        self._least, self._most = least, most
        self._per_second: float | None = None
        self._taken: tuple[int, float] | None = None
        self._standing = False
        # Since when the wait has been on the other side, which `standing` is about to follow.
        self._since_s: float | None = None

    @property
    def standing(self) -> bool:
        """Whether the queue does not get shorter."""
        return self._standing

    def taken(self, count: int, *, left: int, waited_s: float, now_s: float) -> int:
        """A batch of `count` was taken off the queue, the first of it after waiting so long, and
        so many are left. Returns how many may be waiting from now on."""
        if self._taken is not None:
            # What is as large as can be, and followed at once by the next, shows what can be done.
            before, at_s = self._taken
            rate = before / max(now_s - at_s, 1e-6)
            known = self._per_second
            self._per_second = rate if known is None else known + _WEIGHT * (rate - known)
        self._taken = (count, now_s) if left else None
        self._judge(waited_s, now_s)
        if not self._target_s or self._per_second is None:
            return self._most
        patience_s = self._target_s * (1 if self._standing else PATIENCE_TIMES)
        return max(self._least, min(self._most, int(self._per_second * patience_s)))

    def _judge(self, waited_s: float, now_s: float) -> None:
        bound_s = self._target_s / 2 if self._standing else self._target_s
        if (waited_s > bound_s) is self._standing:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self._target_s:
            self._standing = not self._standing
            self._since_s = None
