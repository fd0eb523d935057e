"""Drawings made of a few shapes, as SVG for pages and as PNG for everything else.

A drawing is plain data, so that a chart or a lattice is composed once and rendered twice. Colours
are either `#rrggbb` or one of the names in `THEMES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import Any, Literal

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

THEMES = {
    "light": {
        "ink": "#1f2328",
        "muted": "#5c6470",
        "faint": "#d7dbe0",
        "paper": "#ffffff",
        "accent": "#0b6e99",
        "second": "#c2410c",
        "third": "#6d28d9",
        "fourth": "#4d7c0f",
    },
    "dark": {
        "ink": "#e6e8eb",
        "muted": "#9aa3ad",
        "faint": "#3a4048",
        "paper": "#16191d",
        "accent": "#4db6e0",
        "second": "#fb8c4e",
        "third": "#b69cff",
        "fourth": "#a3cf4f",
    },
}
"""Colours by role, on light and on dark paper; distinct for the colour-blind and in print."""

THEME = THEMES["light"]

_FONT = "DejaVu Sans, Verdana, sans-serif"


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines, or by one cubic curve if `curved` (four points).

    Attributes:
        points: (x, y) in pixels, y downwards.
        colour: Of the line.
        width: In pixels.
        dash: Lengths of strokes and gaps; solid without.
        key: `data-key` in SVG, by which a page finds the line.
        title: Shown on hover.
    """

    points: tuple[Point, ...]
    colour: str = "ink"
    width: float = 1.0
    opacity: float = 1.0
    dash: tuple[float, ...] = ()
    curved: bool = False
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Disc:
    """A filled circle with an outline."""

    centre: Point
    radius: float
    fill: str = "paper"
    colour: str = "ink"
    width: float = 1.0
    opacity: float = 1.0
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Box:
    """A filled rectangle without an outline."""

    corner: Point
    size: Point
    fill: str = "faint"
    opacity: float = 1.0
    key: str = ""
    title: str = ""


@dataclass(frozen=True)
class Text:
    """One line of text; `place` is the baseline."""

    place: Point
    text: str
    size: float = 11.0
    colour: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    turned: bool = False
    key: str = ""


Shape = Line | Disc | Box | Text


@dataclass
class Drawing:
    """A picture of shapes, drawn in their order.

    Attributes:
        width: In pixels.
        height: In pixels.
        title: What a screen reader says.
        shapes: What is drawn.
    """

    width: float
    height: float
    title: str = ""
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw shapes over what is there."""
        self.shapes.extend(shapes)


def to_svg(drawing: Drawing, themed: bool = False) -> str:
    """Return a drawing as an SVG element.

    Args:
        drawing: The drawing.
        themed: Leave colour names to the page's CSS variables; else the file stands by itself.
    """
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawing.width:g} '
        f'{drawing.height:g}" width="{drawing.width:g}" height="{drawing.height:g}" role="img" '
        f'font-family="{_FONT}"><title>{escape(drawing.title)}</title>'
    )
    body = []
    if not themed:
        body.append(f'<rect width="100%" height="100%" fill="{THEME["paper"]}"/>')
    body += [_element(shape, themed) for shape in drawing.shapes]
    return head + "".join(body) + "</svg>"


def to_png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """Return a drawing as a PNG picture, `scale` pixels for each of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, Patch, PathPatch, Rectangle
    from matplotlib.path import Path as Outline

    dpi = 100 * scale
    figure = Figure(figsize=(drawing.width / 100, drawing.height / 100), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(drawing.height, 0)
    axes.set_axis_off()
    points = 0.72  # typographic points per pixel of the drawing
    for order, shape in enumerate(drawing.shapes):
        if isinstance(shape, Text):
            axes.text(
                *shape.place,
                shape.text,
                fontsize=points * shape.size,
                color=_hex(shape.colour),
                ha={"start": "left", "middle": "center", "end": "right"}[shape.anchor],
                va="baseline",
                weight="bold" if shape.bold else "normal",
                rotation=90 if shape.turned else 0,
                parse_math=False,
                zorder=order,
            )
            continue
        style: dict[str, Any] = {"linewidth": 0, "alpha": shape.opacity, "zorder": order}
        if not isinstance(shape, Box):
            style |= {"linewidth": points * shape.width, "edgecolor": _hex(shape.colour)}
        patch: Patch
        if isinstance(shape, Line):
            codes = [Outline.MOVETO] + (len(shape.points) - 1) * [
                Outline.CURVE4 if shape.curved else Outline.LINETO
            ]
            if shape.dash:
                style["linestyle"] = (0, [points * part for part in shape.dash])
            patch = PathPatch(Outline(list(shape.points), codes), fill=False, **style)
        elif isinstance(shape, Disc):
            patch = Circle(shape.centre, shape.radius, facecolor=_hex(shape.fill), **style)
        else:
            patch = Rectangle(shape.corner, *shape.size, facecolor=_hex(shape.fill), **style)
        axes.add_artist(patch)  # unlike a patch, it does not look for its extent
    target = BytesIO()
    figure.savefig(target, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return target.getvalue()


def _element(shape: Shape, themed: bool) -> str:
    paint = _variable if themed else _hex
    if isinstance(shape, Text):
        x, y = shape.place
        more = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if shape.turned else ""
        more += ' font-weight="bold"' if shape.bold else ""
        more += _data(shape.key)
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{shape.size:g}" text-anchor="{shape.anchor}"'
            f' fill="{paint(shape.colour)}"{more}>{escape(shape.text)}</text>'
        )
    title = f"<title>{escape(shape.title)}</title>" if shape.title or shape.key else ""
    fade = f' opacity="{shape.opacity:.2f}"' if shape.opacity < 1 else ""
    if isinstance(shape, Line):
        dash = f' stroke-dasharray="{" ".join(f"{x:g}" for x in shape.dash)}"' if shape.dash else ""
        return (
            f'<path d="{_path(shape.points, shape.curved)}" fill="none" '
            f'stroke="{paint(shape.colour)}" stroke-width="{shape.width:.2f}" '
            f'stroke-linejoin="round" stroke-linecap="round"'
            f"{dash}{fade}{_data(shape.key)}>{title}</path>"
        )
    if isinstance(shape, Disc):
        return (
            f'<circle cx="{shape.centre[0]:.1f}" cy="{shape.centre[1]:.1f}" r="{shape.radius:.1f}" '
            f'fill="{paint(shape.fill)}" stroke="{paint(shape.colour)}" '
            f'stroke-width="{shape.width:.2f}"{fade}{_data(shape.key)}>{title}</circle>'
        )
    return (
        f'<rect x="{shape.corner[0]:.1f}" y="{shape.corner[1]:.1f}" width="{shape.size[0]:.1f}" '
        f'height="{shape.size[1]:.1f}" fill="{paint(shape.fill)}"{fade}{_data(shape.key)}>'
        f"{title}</rect>"
    )


def _path(points: Sequence[Point], curved: bool) -> str:
    places = [f"{x:.1f} {y:.1f}" for x, y in points]
    if curved:
        return f"M{places[0]}C" + " ".join(places[1:])
    return "M" + "L".join(places)


def _data(key: str) -> str:
    return f' data-key="{escape(key)}"' if key else ""


def _hex(colour: str) -> str:
    return THEME.get(colour, colour)


def _variable(colour: str) -> str:
    return f"var(--{colour})" if colour in THEME else colour
