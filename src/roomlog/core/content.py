"""Text as typed, and the same made safe for a page.

`content` is evidence and stays verbatim; only what no reader could see or no table could hold is
taken out. `content_html` is made from it and may be made again at any time.
"""

import html
import json
import re
from typing import Any

import comrak
import nh3

LONE_SURROGATE = "must not contain a lone surrogate"
_STRIPPED = re.compile("[\x01-\x08\x0b-\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

ALLOWED_TAGS = frozenset(
    {
        *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("hr", "li", "ol", "p", "pre", "strong", "ul"),
    }
)
QUOTES_DEPTH_MAX = 32
ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})

_extensions = comrak.ExtensionOptions()
_extensions.autolink = True
_extensions.strikethrough = True
_render = comrak.RenderOptions()
_render.escape = True  # raw HTML is shown as it was typed, not left out
_cleaner = nh3.Cleaner(
    tags=set(ALLOWED_TAGS),
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    url_schemes=set(ALLOWED_SCHEMES),
    link_rel="noopener noreferrer nofollow",
)


_QUOTE = re.compile("</?blockquote>\n?")


class UnstorableTextError(ValueError):
    """Text that cannot be kept verbatim: a NUL or a lone surrogate."""


def clean_text(text: str) -> str:
    """`text` without C0 controls other than tab and newline, nothing else changed.

    Raises UnstorableTextError for NUL and lone surrogates: refused, because neither UTF-8 nor
    PostgreSQL can hold them and leaving them out would change what was said.
    """
    if "\x00" in text:
        raise UnstorableTextError("must not contain a NUL character")
    if not text.isascii() and _SURROGATE.search(text):
        raise UnstorableTextError(LONE_SURROGATE)
    return _STRIPPED.sub("", text)


def lone_surrogate(document: bytes | str) -> str | None:
    """The place, as in `metadata.a[0]`, of the first text with a lone surrogate in a JSON object,
    which strict decoders take for no JSON at all; None where there is none."""
    text = document if isinstance(document, str) else document.decode(errors="replace")
    if not _SURROGATE_ESCAPE.search(text):
        return None
    try:
        waiting: list[tuple[str, Any]] = [("", json.loads(text))]
    except (ValueError, RecursionError):
        return None
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and _SURROGATE.search(value):
            return place
        if isinstance(value, dict):
            if any(_SURROGATE.search(name) for name in value):
                return place
            inside = [(f"{place}.{name}".lstrip("."), one) for name, one in value.items()]
            waiting += reversed(inside)
        elif isinstance(value, list):
            waiting += reversed([(f"{place}[{n}]", one) for n, one in enumerate(value)])
    return None


# One line that begins with a letter and holds no sign that means anything to CommonMark or to HTML,
# nor what makes a link.
_PLAIN = re.compile(r"[^\W\d_][\w ,.;:?!'\"()/%$=+-]*")


def render_html(content: str) -> str:
    """CommonMark of `content`, raw HTML shown as text, links recognised, sanitised."""
    return f"<p>{content.rstrip(' ')}</p>" if _is_plain(content) else rendered_and_cleaned(content)


def _is_plain(content: str) -> bool:
    """Whether all that rendering and cleaning would do is to make it a paragraph without spaces at
    its end, as of most that people type in a chat: a look at it costs a fifth."""
    return (
        _PLAIN.fullmatch(content) is not None
        and "_" not in content
        and "://" not in content
        and "www." not in content
    )


def rendered_and_cleaned(content: str) -> str:
    """What `render_html` gives, of any text by way of the renderer and the sanitiser."""
    rendered = comrak.render_markdown(
        content, extension_options=_extensions, render_options=_render
    )
    return _cleaner.clean(_less_deep(rendered)).strip()


def _less_deep(rendered: str) -> str:
    """Quotes within QUOTES_DEPTH_MAX quotes without their elements: to the sanitiser each element
    costs as much as it is deep, so that a message of nothing but `>` took 0.3 s."""
    if rendered.count("<blockquote>") <= QUOTES_DEPTH_MAX:
        return rendered
    depth = 0

    def kept(tag: re.Match[str]) -> str:
        nonlocal depth
        opens = not tag[0].startswith("</")
        depth += opens
        shown = tag[0] if depth <= QUOTES_DEPTH_MAX else ""
        depth -= not opens
        return shown

    # Whatever was typed is escaped in there: these are the renderer's own.
    return _QUOTE.sub(kept, rendered)


_plain_extensions = comrak.ExtensionOptions()
_CODE = re.compile(r"<code[^>]*>.*?</code>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def prose(content: str) -> str:
    """The text of `content` outside code, as a page shows it: code spans, fenced and indented
    code, markup and the targets of links are left out."""
    rendered = comrak.render_markdown(
        content, extension_options=_plain_extensions, render_options=_render
    )
    # Whatever was typed is escaped in there, so that every tag is the renderer's own.
    return html.unescape(_TAG.sub("\n", _CODE.sub("\n", rendered)))
