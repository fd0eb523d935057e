"""Colours for classes that have none: by their names, distinct, also for the colour-blind.

Colours are compared in CIELAB, as they are and as people without red or without green cones see
them (Viénot, Brettel and Mollon 1999, in linear RGB).
"""

import colorsys
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnas_cli.scenes.palette import Colour

_MEANINGS: tuple[tuple[Colour, str], ...] = (
    (
        (20, 105, 205),
        "water river lake sea ocean pond canal reservoir stream flood "
        "wasser fluss meer eau riviere lac mer agua rio mar 水 河 湖 海",
    ),
    ((222, 232, 255), "snow ice glacier schnee gletscher neige nieve neve 雪 冰"),
    ((0, 135, 135), "wetland marsh swamp mangrove bog moor marais humedal 湿地"),
    (
        (0, 92, 30),
        "forest tree wood conifer deciduous broadleaf wald baum foret arbre bosque arbol floresta "
        "林 树",
    ),
    (
        (150, 165, 50),
        "shrub bush scrub orchard garden park vineyard plantation garten verger jardin matorral "
        "灌木 园地",
    ),
    (
        (165, 235, 150),
        "grass meadow pasture lawn vegetation green rangeland wiese weide prairie pasto pradera 草",
    ),
    (
        (245, 205, 40),
        "farm crop arable field agri paddy irrigated cultivated acker culture cultivo 耕地 农 水田",
    ),
    (
        (230, 30, 60),
        "built urban building residential house industrial settlement roof town "
        "gebaude gebaeude siedlung stadt bati maison edificio urbano ciudad 建 城 居民 房",
    ),
    (
        (62, 56, 80),
        "road street rail pavement impervious asphalt traffic airport runway "
        "strasse weg route rue carretera calle estrada 道路 公路 铁路",
    ),
    (
        (205, 165, 125),
        "bare soil sand rock desert barren land beach mine boden fels sable suelo solo 裸地 沙",
    ),
    ((140, 110, 200), "car vehicle ship plane aircraft boat truck auto voiture coche 车 船"),
    ((175, 170, 175), "clutter background other unknown unused sonstige autre otro 其他"),
)
"""Colours by what a name holds, of several words the longest; `farmland` is a farm, no land.

English, German, French, Spanish and Chinese words, without accents.
"""

_FAMILY = (0.0, 0.45, -0.4, 0.25, -0.2, 0.65)
"""Shades of a colour for further classes of one meaning: towards white, or towards black."""

_CLOSE = 12.0  # of CIELAB; colours closer than this are hard to tell apart on a map

# What people without red or green cones see of linear red, green and blue.
_SEEN = (
    np.eye(3),
    np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
)
_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])


Floats = npt.NDArray[np.float64]


def chosen_colours(names: Sequence[str], given: Sequence[Colour] = ()) -> list[Colour]:
    """Return a colour for each class, by name where its meaning is known.

    Every colour is the candidate that is farthest from those before it, or the first that is far
    enough.

    Args:
        given: Colours of other classes.
    """
    meanings = [_meaning(name) for name in names]
    chosen: dict[int, Colour] = {}
    seen, far = _seen(_POOL), np.full(len(_POOL), np.inf)  # of each candidate to all taken ones
    for colour in given:
        far = np.minimum(far, _apart(seen, _seen([colour])[0]))
    for index in sorted(range(len(names)), key=lambda k: meanings[k] is None):
        meant, taken = meanings[index], [*given, *chosen.values()]
        shades = [_shade(meant, step) for step in _FAMILY] if meant else []
        own = _first_far(shades, taken)
        # It means nothing known, or no shade of its meaning is left.
        enough = np.flatnonzero(far >= _CLOSE)
        colour = own or _POOL[int(enough[0]) if enough.size else int(far.argmax())]
        chosen[index] = colour
        far = np.minimum(far, _apart(seen, _seen([colour])[0]))
    return [chosen[index] for index in range(len(names))]


def distance(one: Colour, other: Colour) -> float:
    """Return how far apart two colours are, for those who see them closest."""
    return float(_apart(_seen([one]), _seen([other])[0])[0])


def _meaning(name: str) -> Colour | None:
    plain = unicodedata.normalize("NFKD", name.casefold())  # ß is ss; ê is e and an accent
    text = re.sub(r"[\W\d_]", " ", "".join(c for c in plain if not unicodedata.combining(c)))
    found = [
        (len(word), colour)
        for colour, words in _MEANINGS
        for word in words.split()
        if re.search(_pattern(word), text)
    ]
    return max(found, key=lambda item: item[0])[1] if found else None


def _pattern(word: str) -> str:
    """Return where a word counts: at the start of one, a longer one also at the end: `Nadelwald`.

    A short word would be found in `office` or `plateau`. Chinese has no spaces.
    """
    if not word.isascii():
        return word
    start, end = rf"(?<![a-z]){word}", rf"{word}(?:s|es|land|area)?(?![a-z])"
    return rf"{start}|{end}" if len(word) > 3 else start


def _shade(colour: Colour, step: float) -> Colour:
    end = 255 if step > 0 else 0
    red, green, blue = (round(c + (end - c) * abs(step)) for c in colour)
    return red, green, blue


def _first_far(shades: Sequence[Colour], taken: Sequence[Colour]) -> Colour | None:
    """Return the first shade that is far from all taken colours, or one that is half as far."""
    for enough in (_CLOSE, _CLOSE / 2):
        for shade in shades:
            if all(distance(shade, colour) >= enough for colour in taken):
                return shade
    return None


def _apart(seen: Floats, other: Floats) -> Floats:
    """Return the distance of colours (n, 3, 3) to another (3, 3), for those who see it smallest."""
    return np.asarray(np.linalg.norm(seen - other, axis=-1).min(axis=-1))


def _seen(colours: Sequence[Colour]) -> Floats:
    """Return colours in CIELAB (n, 3, 3) as seen with all cones, without red, without green."""
    share = np.array(colours) / 255  # (n, 3)
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    kinds = np.clip(np.einsum("kij,nj->nki", np.stack(_SEEN), linear), 0, 1)
    xyz = kinds @ _TO_XYZ.T
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _pool() -> tuple[Colour, ...]:
    """Return candidates: first those that are well apart for everybody, then a grid of hues."""
    first: tuple[Colour, ...] = (
        (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233),
        (213, 94, 0), (240, 228, 66), (51, 34, 136), (136, 34, 85), (68, 170, 153), (221, 204, 119),
    )  # fmt: skip
    grid = []
    for value in (0.95, 0.45, 0.7, 0.25, 0.85):
        for saturation in (0.8, 0.4, 0.6):
            for step in range(24):
                rgb = colorsys.hsv_to_rgb(step / 24, saturation, value)
                red, green, blue = (round(255 * channel) for channel in rgb)
                grid.append((red, green, blue))
    return tuple(dict.fromkeys((*first, *grid)))


_POOL = _pool()
