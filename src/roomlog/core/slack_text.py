"""Slack's text as people typed it: its escapes undone, its references named readably.

Slack stores `<`, `>` and `&` as entities and puts what it recognised between `<` and `>`:
users, channels, groups, special mentions, dates, links. Source: docs.slack.dev, "Formatting
message text".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

_REFERENCE = re.compile(r"<([^<>\n]+)>")
_ENTITY = re.compile(r"&(amp|lt|gt);")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}
_BLOCK_DEPTH_MAX = 8


def as_typed(text: str, users: Callable[[str], str], channels: Mapping[str, str]) -> str:
    """`text` as its author saw it. `users` gives an id's user here, `channels` an id's name.

    `<@U1>` becomes `@` and the user's id here, `<#C1>` `#name`, `<!here>` `@here`, a link its
    address, and a link with a text of its own `text <address>`.
    """

    def readable(found: re.Match[str]) -> str:
        reference, _, label = found[1].partition("|")
        match reference[0]:
            case "@":
                return "@" + users(reference[1:])
            case "#":
                return "#" + (label or channels.get(reference[1:], reference[1:]))
            case "!":
                return _special(reference[1:], label)
            case _:
                return _link(reference, label)

    return _ENTITY.sub(lambda found: _ENTITIES[found[1]], _REFERENCE.sub(readable, text))


def _special(command: str, label: str) -> str:
    name, _, rest = command.partition("^")
    if name == "date":
        return label or rest.partition("^")[0]
    if label:
        return label if label.startswith("@") else "@" + label
    return "@" + (rest or name)


def _link(address: str, label: str) -> str:
    if not label or label == address:
        return address.removeprefix("mailto:") if label or "@" in address else address
    # Slack recognised an address that was typed without its scheme.
    if address.partition("://")[2].rstrip("/") == label.rstrip("/") or address == f"mailto:{label}":
        return label
    return f"{label} &lt;{address}&gt;"


def attachments_text(attachments: Sequence[Mapping[str, Any]]) -> list[str]:
    """What messages of applications say in their attachments, a line or more for each."""
    lines: list[str] = []
    for one in attachments:
        title, link = _text(one, "title"), _text(one, "title_link")
        if title and link:
            title = f"<{link}|{title}>"
        fields = [f for f in _list(one, "fields") if isinstance(f, dict)]
        told = [_text(one, "pretext"), title, _text(one, "text")]
        told += [f"{_text(f, 'title')}: {_text(f, 'value')}" for f in fields]
        said = [line for line in told if line.strip(": ")]
        lines += said or [line for line in [_text(one, "fallback")] if line]
    return lines


def blocks_text(blocks: Sequence[Any]) -> list[str]:
    """The text of a message's blocks, for messages that say nothing else."""
    lines: list[str] = []
    _collect(blocks, lines, _BLOCK_DEPTH_MAX)
    return lines


def _collect(value: Any, lines: list[str], depth: int) -> None:
    if depth == 0:
        return
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            _collect(one, lines, depth - 1)
    elif isinstance(value, dict):
        block = cast("dict[str, Any]", value)
        if _text(block, "text"):
            lines.append(_text(block, "text"))
        else:
            for key in ("text", "fields", "elements"):
                _collect(block.get(key), lines, depth - 1)


def _text(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    value = of.get(name)
    return cast("list[Any]", value) if isinstance(value, list) else []
