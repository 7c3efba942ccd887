"""Text of others for a terminal: nothing in it may move the cursor, hide or disguise anything."""

import unicodedata

# Controls, formatting (directions among it), surrogates, private use, line and paragraph ends.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Joins the parts of emoji, and letters of several scripts.
_JOINERS = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")


def printable(text: str, *, indent: str | None = None) -> str:
    """The same with everything escaped that a terminal would obey or not show.

    With `indent`, lines stay lines, each but the first after it, and tabs stay tabs.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char, indent) for char in text)


def _shown(char: str, indent: str | None) -> str:
    if indent is not None and char == "\n":
        return f"\n{indent}"
    if char in _JOINERS or (indent is not None and char == "\t"):
        return char
    if unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
