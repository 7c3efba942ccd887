"""Text as typed, and the same made safe for a page.

`content` is evidence and stays verbatim; only what no reader could see or no table could hold is
taken out. `content_html` is made from it and may be made again at any time.
"""

import html
import re

import comrak
import nh3

_STRIPPED = re.compile("[\x01-\x08\x0b-\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")

ALLOWED_TAGS = frozenset(
    {
        *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("hr", "li", "ol", "p", "pre", "strong", "ul"),
    }
)
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
        raise UnstorableTextError("must not contain a lone surrogate")
    return _STRIPPED.sub("", text)


def render_html(content: str) -> str:
    """CommonMark of `content`, raw HTML shown as text, links recognised, sanitised."""
    rendered = comrak.render_markdown(
        content, extension_options=_extensions, render_options=_render
    )
    return _cleaner.clean(rendered).strip()


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
