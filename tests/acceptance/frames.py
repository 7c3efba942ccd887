"""What a connection is told."""

import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.within import within

WAIT_S = 30.0


async def frame_of(connection: ClientConnection, kind: str, **fields: Any) -> dict[str, Any]:
    """The next frame of that type which has these fields; those before it are passed over."""
    while True:
        text = await within(connection.recv(), WAIT_S)
        assert isinstance(text, str)
        for frame in map(json.loads, text.split("\n")):
            if frame["type"] == kind and fields.items() <= frame.items():
                return frame
