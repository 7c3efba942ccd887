"""How long something may wait, and how much, before no more is taken. Pure: time is an argument.

As in CoDel (RFC 8289), a long queue is no sign of overload, since a burst makes one too, but one
that stays long is. While the wait stays above what is aimed at, nothing may wait for longer: so
what is still taken is answered as fast as before.
"""

from typing import Final

PATIENCE_TIMES: Final = 4
"""How many times what is aimed at a burst may wait."""
_WEIGHT: Final = 0.2


class Patience:
    """How long may be waited in a queue. Times are in seconds of one clock, whichever."""

    __slots__ = ("_judged_at_s", "_since_s", "_standing", "target_s")

    def __init__(self, target_s: float) -> None:
        """`target_s` is the wait to aim at; 0 sets no bound."""
        self.target_s = target_s
        self._standing = False
        self._judged_at_s = 0.0
        # Since when the wait has been on the other side, which `standing` is about to follow.
        self._since_s: float | None = None

    @property
    def standing(self) -> bool:
        """Whether the queue does not get shorter."""
        return self._standing

    @property
    def most_s(self) -> float:
        """How long may be waited: what is aimed at where the queue stands, and by a burst longer."""
        return self.target_s if self._standing else self.target_s * PATIENCE_TIMES

    @property
    def longest_s(self) -> float:
        """How long a burst may wait at the most; 0 sets no bound."""
        return self.target_s * PATIENCE_TIMES

    def over(self, waited_s: float) -> bool:
        """Whether that is too long."""
        return waited_s > self.most_s > 0

    def judge(self, waited_s: float, now_s: float) -> None:
        """What is taken off the queue now has waited so long in it."""
        if now_s - waited_s - self._judged_at_s > self.target_s:
            # Nothing was in it for as long: what stood has gone.
            self._standing, self._since_s = False, None
        self._judged_at_s = now_s
        bound_s = self.target_s / 2 if self._standing else self.target_s
        if (waited_s > bound_s) is self._standing:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= self.target_s:
            self._standing = not self._standing
            self._since_s = None


class Admission:
    """How much a queue takes that is emptied by batches."""

    __slots__ = ("_least", "_most", "_patience", "_per_second", "_taken")

    def __init__(self, target_s: float, *, least: int, most: int) -> None:
        """`target_s` is the wait to aim at; 0 sets no bound but `most`. So much may always wait
        as `least` says, and never more than `most`."""
        self._patience = Patience(target_s)
        self._least, self._most = least, most
        self._per_second: float | None = None
        self._taken: tuple[int, float] | None = None

    @property
    def standing(self) -> bool:
        """See Patience."""
        return self._patience.standing

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
        self._patience.judge(waited_s, now_s)
        if not self._patience.target_s or self._per_second is None:
            return self._most
        return max(self._least, min(self._most, int(self._per_second * self._patience.most_s)))
