"""results.svg: seconds over services, both on logarithmic scales, drawn by hand to need no library."""

from collections.abc import Iterator, Mapping, Sequence
from math import log10
from typing import NamedTuple

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _HEIGHT = 440, 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 44, 16, 44
_SERVICES = (1, 10, 100, 1000, 10000)
_SECONDS = (0.1, 1, 10, 100, 1000, 10000)
_COLORS = ("#0969da", "#8250df", "#d1242f", "#9a6700", "#57606a")


class Series(NamedTuple):
    """A line: its name and its points, (services, seconds). The last of a panel is the lower bound, and dashed."""

    name: str
    points: Sequence[tuple[float, float]]


def draw(panels: Mapping[str, Sequence[Series]], caption: str) -> str:
    """Draw panels side by side, by their titles."""
    width, height = _WIDTH * len(panels), _HEIGHT + 24
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for index, (title, series) in enumerate(panels.items()):
        parts += [f'<g transform="translate({index * _WIDTH} 0)">', *_panel(title, series), "</g>"]
    parts += [_text(width / 2, _HEIGHT + 14, caption, "middle", "#57606a"), "</svg>"]
    return "\n".join(parts) + "\n"


def _panel(title: str, series: Sequence[Series]) -> Iterator[str]:
    yield _text(_WIDTH / 2, 22, title, "middle", "#1f2328")
    for value in _SECONDS:
        yield _line([(_SERVICES[0], value), (_SERVICES[-1], value)], "#d0d7de")
        yield _text(_LEFT - 6, _y(value) + 4, f"{value:g} s", "end", "#57606a")
    for value in _SERVICES:
        yield _line([(value, _SECONDS[0]), (value, _SECONDS[-1])], "#d0d7de")
        yield _text(_x(value), _HEIGHT - _BOTTOM + 18, f"{value:,}", "middle", "#57606a")
    yield _text(_WIDTH / 2, _HEIGHT - 8, "services in scope", "middle", "#57606a")
    for index, one in enumerate(series):
        bound = index == len(series) - 1
        color = _COLORS[-1] if bound else _COLORS[index]
        yield _line(one.points, color, 'stroke-width="2"' + (' stroke-dasharray="5 4"' if bound else ""))
        yield from (f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="3" fill="{color}"/>' for x, y in one.points)
        yield _text(_LEFT + 10, _TOP + 14 + 16 * index, one.name, "start", color)


def _line(points: Sequence[tuple[float, float]], color: str, style: str = "") -> str:
    places = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{color}" {style}/>'


def _text(x: float, y: float, text: str, anchor: str, color: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{text}</text>'


def _x(services: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * log10(services) / log10(_SERVICES[-1])


def _y(seconds: float) -> float:
    low, high = log10(_SECONDS[0]), log10(_SECONDS[-1])
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (log10(seconds) - low) / (high - low)
