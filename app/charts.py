"""Charts of reports: SVG, drawn by pygal, without scripts, fonts or anything else from elsewhere.

An <img> cannot take the colours of its page, so each chart brings its own, for light and dark. The stylesheet has the
same ones for the dots in the table, which is the legend.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pygal
from pygal.etree import etree
from pygal.style import Style

from app.durations import hours_and_minutes

# pygal finds its maps by a hook of an old kind, which has Python warn at every later import.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]

# What the parts of a bar are filled with, by day and by night; the last colour is for all that is left.
LIGHT = ("#1f6f5c", "#c98a1b", "#4a7fb5", "#b5555d", "#7d6bb0", "#6f9a3a", "#5f8f9a", "#a9b2af")
DARK = ("#6bcab0", "#e0b354", "#7fb0e0", "#e08a90", "#ac9ce0", "#a5cc70", "#8dc3cf", "#5b6764")
NAMED = len(LIGHT) - 1

TEXT = {"light": "#586360", "dark": "#9aa6a2"}
GUIDE = {"light": "#dfe4e2", "dark": "#2d3533"}

# What divides an axis, in minutes: so that its labels are round hours.
STEPS = (15, 30, 60, 120, 240, 300, 600, 1200, 2400, 3000, 6000, 12000, 24000, 30000, 60000)


class Size(NamedTuple):
    """How large a chart is drawn, in pixels, and how many labels find room below it."""

    width: int
    height: int
    labels: int


WIDE = Size(1080, 260, 16)
NARROW = Size(328, 220, 5)
SMALL = Size(320, 120, 3)


def columns(labels: list[str], series: list[list[int]], size: Size) -> bytes:
    """Return stacked columns of minutes: a value of each series for each label, in as many colours as there are."""
    chart = pygal.StackedBar(**_looks(size), x_labels=_thinned(labels, size.labels), spacing=8)
    highest = max((sum(values) for values in zip(*series, strict=True)), default=0)
    return _drawn(chart, series, highest)


def bars(labels: list[str], values: list[int], size: Size) -> bytes:
    """Return a bar of minutes for each label, one below the other."""
    room = 14 if size is NARROW else 40
    shown = [_shortened(label, room) for label in labels]
    looks = _looks(size._replace(height=60 + 24 * len(labels)))
    # pygal draws from the bottom up.
    chart = pygal.HorizontalBar(**looks, x_labels=shown[::-1], spacing=6, margin_right=28)
    return _drawn(chart, [values[::-1]], max(values, default=0), 2 if size is NARROW else 4)


def line(labels: list[str], values: list[float], size: Size, written: Callable[[float], str]) -> bytes:
    """Return a line through the figures of some days, for a trend: it is marked at its lowest and its highest only.

    `written` says how a figure is written.
    """
    lowest, highest = min(values), max(values)
    margin = (highest - lowest) * 0.1 or abs(highest) * 0.1 or 1
    chart = pygal.Line(
        **_looks(size) | {"value_formatter": written},
        x_labels=_thinned(labels, size.labels),
        show_dots=len(values) == 1,
        stroke_style={"width": 2},
        fill=False,
    )
    chart.range = (lowest - margin, highest + margin)
    chart.y_labels = sorted({lowest, highest})
    chart.add("0", values)
    chart.add_xml_filter(_bare)
    return chart.render()


def axis(highest: int, parts: int = 4) -> list[int]:
    """Return the minutes at which an axis is marked, from 0 until at least `highest`, in at most so many `parts`."""
    step = next((step for step in STEPS if step * parts >= highest), None)
    if step is None:
        step = -(-highest // (parts * STEPS[-1])) * STEPS[-1]
    return [number * step for number in range(max(1, -(-highest // step)) + 1)]


def _looks(size: Size) -> dict[str, object]:
    return {
        "width": size.width,
        "height": size.height,
        "explicit_size": True,
        "show_legend": False,
        "js": (),
        "css": (),
        "style": Style(label_font_size=12, major_label_font_size=12),  # how much room labels take
        "no_prefix": True,
        "truncate_label": -1,
        "margin": 4,
        "margin_bottom": 8,
        "print_values": False,
        "value_formatter": lambda minutes: hours_and_minutes(int(minutes)),
    }


def _drawn(chart: pygal.Graph, series: list[list[int]], highest: int, parts: int = 4) -> bytes:
    marks = axis(highest, parts)
    chart.y_labels = marks
    chart.range = (0, marks[-1])
    for number, values in enumerate(series if any(series) else [[0]]):
        chart.add(str(number), values)
    chart.add_xml_filter(_bare)
    return chart.render()


def _bare(root: etree.Element) -> etree.Element:
    """What is drawn, without pygal's scripts, tooltips, remarks and style."""
    del root.attrib["id"]
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in ("script", "desc", "title"):
                parent.remove(child)
            elif child.tag.rpartition("}")[2] == "style":
                child.text = _style()
    return root


def _style() -> str:
    rules = [
        "text{font:12px system-ui,sans-serif;stroke:none}",
        ".axis.x text{text-anchor:middle}",
        ".axis.y text{text-anchor:end}",
        ".background,.plot .background{fill:none}",
        ".axis path,.series .line{fill:none}",
        ".vertical .axis.x path,.horizontal .axis.y path,.axis .major{stroke:none}",
        _coloured("light", LIGHT),
        f"@media (prefers-color-scheme:dark){{{_coloured('dark', DARK)}}}",
    ]
    return "\n".join(rules)


def _coloured(scheme: str, colours: tuple[str, ...]) -> str:
    fills = [f".color-{number}{{fill:{colour}}}" for number, colour in enumerate(colours)]
    line = f".series .line{{stroke:{colours[0]};stroke-width:2}}"
    return "\n".join([f"text{{fill:{TEXT[scheme]}}}", f".guide{{stroke:{GUIDE[scheme]}}}", line, *fills])


def _thinned(labels: list[str], room: int) -> list[str]:
    """Every so many of the labels, as far as there is room."""
    every = -(-len(labels) // room)
    return [_shortened(label, 20) if number % every == 0 else "" for number, label in enumerate(labels)]


def _shortened(text: str, length: int) -> str:
    """Without what XML does not know, and cut."""
    text = "".join(character if character.isprintable() else " " for character in text).strip()
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
