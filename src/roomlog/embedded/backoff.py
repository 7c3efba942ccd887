"""When to start a child again: pure, time is an argument."""

from dataclasses import dataclass

HEALTHY_AFTER_S = 10.0
FIRST_DELAY_S = 0.1
DELAY_S_MAX = 10.0


@dataclass(frozen=True)
class Backoff:
    """How often in a row a child has died soon after its start."""

    quick_deaths: int = 0

    def died(self, lived_s: float) -> "Backoff":
        """The state after a death at that age: one that lived long starts afresh."""
        return Backoff(0 if lived_s >= HEALTHY_AFTER_S else self.quick_deaths + 1)

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start: none, 0.1 s, 0.2 s, 0.4 s … up to 10 s."""
        if self.quick_deaths == 0:
            return 0.0
        # The exponent is bounded so that a child that dies for days cannot overflow a float.
        return min(FIRST_DELAY_S * 2.0 ** min(self.quick_deaths - 1, 32), DELAY_S_MAX)
