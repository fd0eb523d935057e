"""Lattices as drawings: everything is there once, as wide as it is likely."""

import re
import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
from PIL import Image

from dnas_cli.report.drawing import THEME, to_png, to_svg
from dnas_cli.report.lattice import LatticeLook, draw_lattice, edge_width
from dnas_cli.space.coding import first_space
from dnas_cli.space.spaces import connection_space

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("graph", [first_space(5).graph, connection_space((0, 1, 2, 1))])
def test_every_edge_and_node_is_drawn_once(graph: object) -> None:
    from dnas_cli.space.lattice import Graph

    assert isinstance(graph, Graph)
    root = ET.fromstring(to_svg(draw_lattice(graph)))
    keys = [shape.get("data-key") for shape in root.iter() if shape.get("data-key")]
    assert sorted(map(str, keys)) == sorted(
        [item.key for item in graph.edges] + [node.key for node in graph.nodes]
    )


def test_an_edge_is_as_wide_as_it_is_likely() -> None:
    graph = first_space(3).graph
    shares = {item.key: index / len(graph.edges) for index, item in enumerate(graph.edges)}
    root = ET.fromstring(to_svg(draw_lattice(graph, LatticeLook(shares))))
    paths = {path.get("data-key"): path for path in root.iter(f"{SVG}path")}
    for key, share in shares.items():
        assert float(str(paths[key].get("stroke-width"))) == pytest.approx(
            edge_width(share), abs=0.01
        )
        assert f"{100 * share:.0f} %" in str(paths[key].findtext(f"{SVG}title"))
    assert edge_width(0) < edge_width(0.5) < edge_width(1)


def test_nothing_is_drawn_outside_the_picture() -> None:
    """A connection over eleven layers bends higher than the heading unless room is made."""
    drawing = draw_lattice(connection_space((0,) * 12), LatticeLook(heading="path along scale 0"))
    svg = to_svg(drawing)
    highest = min(float(y) for y in re.findall(r" (-?\d+\.\d)(?=[ \"LC])", svg))
    assert highest > 0
    picture = Image.open(BytesIO(to_png(drawing, 1.0)))
    assert picture.size == (round(drawing.width), round(drawing.height))


def test_names_are_text_and_colours_are_the_pages_where_it_has_them() -> None:
    look = LatticeLook(titles={"0,0": "<script>&"}, heading="a < b")
    svg = to_svg(draw_lattice(first_space(2).graph, look), themed=True)
    assert "<script>" not in svg
    assert "&lt;script&gt;&amp;" in svg
    assert "var(--accent)" in svg
    assert THEME["accent"] not in svg
