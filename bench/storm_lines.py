"""What both sides of `bench.reconnect_storm` read of the frames that come to them."""

import re
from urllib.parse import urlencode

_EVENT = re.compile(
    rb'{"type":"event","room_id":"[^"]*","sequence":(?P<at>\d+),"prev_sequence":(?P<before>\d+)'
)


class Chain:
    """Sees to it that a connection, over all its reconnects, gets each event once and in order."""

    def __init__(self) -> None:
        self.last = -1
        self.events = 0
        self.broken = 0

    def take(self, line: bytes) -> None:
        """An `event` line: it must follow the last one."""
        found = _EVENT.match(line)
        assert found is not None, line[:200]
        if int(found["before"]) != self.last:
            self.broken += 1
        self.last = int(found["at"])
        self.events += 1


def resuming(url: str, chain: Chain, epoch: str) -> str:
    """The address that goes on where the chain ends; the first time as it is."""
    if chain.last < 0:
        return url
    return f"{url}&{urlencode({'after': chain.last, 'epoch': epoch})}"
