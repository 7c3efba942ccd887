"""SVG by hand: the same input makes the same bytes, and light and dark pages can both show it."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

# Colours by class, for light pages and for dark ones.
_LIGHT = {
    "ground": "#ffffff",
    "ink": "#1f2328",
    "faint": "#59636e",
    "line": "#d1d9e0",
    "good": "#1a7f37",
    "bad": "#bc4c00",
    "bare": "#afb8c1",
    "s0": "#0969da",
    "s1": "#bc4c00",
    "s2": "#1a7f37",
    "s3": "#8250df",
    "s4": "#9a6700",
    "s5": "#bf3989",
    "s6": "#59636e",
}
_DARK = {
    "ground": "#0d1117",
    "ink": "#e6edf3",
    "faint": "#9198a1",
    "line": "#3d444d",
    "good": "#3fb950",
    "bad": "#f0883e",
    "bare": "#59636e",
    "s0": "#4493f8",
    "s1": "#f0883e",
    "s2": "#3fb950",
    "s3": "#ab7df8",
    "s4": "#d29922",
    "s5": "#db61a2",
    "s6": "#9198a1",
}
SERIES = 7


def _style() -> str:
    def rules(colours: dict[str, str]) -> str:
        return "".join(
            f".{name}{{fill:{colour}}}.{name}-line{{stroke:{colour}}}"
            for name, colour in colours.items()
        )

    return (
        "<style>text{font:12px system-ui,sans-serif}"
        ".title{font-weight:600;font-size:14px}.dashed{stroke-dasharray:4 3}"
        f"{rules(_LIGHT)}@media (prefers-color-scheme:dark){{{rules(_DARK)}}}</style>"
    )


class Svg:
    """A drawing; places and sizes are in pixels from its top left corner."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self._parts: list[str] = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}"',
            f'width="{_n(width)}" height="{_n(height)}" role="img">',
            f"<title>{escape(title)}</title>",
            _style(),
            f'<rect class="ground" width="{_n(width)}" height="{_n(height)}" rx="6"/>',
        ]
        self.text(16, 24, title, "ink title")

    def text(
        self, x: float, y: float, words: str, kind: str = "ink", anchor: str = "start"
    ) -> None:
        """Words on a base line; `anchor` is the end of them that is at x."""
        self._parts.append(
            f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A filled rectangle."""
        self._parts.append(
            f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" '
            f'width="{_n(max(0.0, width))}" height="{_n(height)}" rx="1"/>'
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str, width: float = 1.0) -> None:
        """A line through all points."""
        places = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(
            f'<polyline class="{kind}" points="{places}" fill="none" stroke-width="{_n(width)}"/>'
        )

    def dot(self, x: float, y: float, kind: str, radius: float = 3.5) -> None:
        """A filled circle."""
        self._parts.append(f'<circle class="{kind}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"/>')

    def __str__(self) -> str:
        return "\n".join([*self._parts, "</svg>", ""])


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
