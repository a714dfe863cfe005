"""Draw the floors of the package from its imports, into docs/_static/floors.svg.

Run it with ``make floors``. Floors are the layers in pyproject.toml, rooms the folders, and a line
is an import: it leaves a room at its bottom and ends at the top of the folder that is imported.
Lines to one folder join on their way. An import that goes up or sideways, which ``make lint``
forbids, is drawn in red.
"""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

from tools.floor_layout import Layout, Place
from tools.package_imports import PACKAGE, ROOT, imports_between_folders, read_floors

TARGET = ROOT / "docs" / "_static" / "floors.svg"
ROOM_WIDTH, ROOM_HEIGHT = 192, 64
FLOOR_HEIGHT, GROUND_HEIGHT = 114, 58
SIDE, ROOF = 56, 112
# Of medium lightness, so that they can be told from a white page and from a black one.
COLORS = (
    "#2f7ebc", "#d2691e", "#2e9563", "#c2477f", "#7a63c4", "#a3821a",
    "#1a93a3", "#cc4b4b", "#5c8a2b", "#a052b8", "#b0673e", "#5672d0",
)  # fmt: skip
STYLE = """
.floors { --paper: #fbfaf7; --wall: #ffffff; --line: #8b8578; --band: #f1eee7; --ink: #1f2328;
  --soft: #5f6670; font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
@media (prefers-color-scheme: dark) { .floors { --paper: #171a1e; --wall: #22272d; --line: #77808b;
  --band: #1d2126; --ink: #e9ecef; --soft: #a4acb6; } }
html[data-theme="light"] .floors { --paper: #fbfaf7; --wall: #ffffff; --line: #8b8578;
  --band: #f1eee7; --ink: #1f2328; --soft: #5f6670; }
html[data-theme="dark"] .floors { --paper: #171a1e; --wall: #22272d; --line: #77808b;
  --band: #1d2126; --ink: #e9ecef; --soft: #a4acb6; }
.floors .paper { fill: var(--paper); }
.floors .band { fill: var(--band); }
.floors .outline { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
.floors .roof { fill: var(--wall); stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }
.floors .wall { fill: var(--wall); stroke-width: 1.5; }
.floors .arrow { fill: none; stroke-width: 1.5; transition: opacity 0.15s; }
.floors .wrong { stroke: #e00000; stroke-width: 2.5; stroke-dasharray: 6 4; }
.floors text { fill: var(--ink); text-anchor: middle; }
.floors .name { font-size: 15px; font-weight: 600; }
.floors .title { font-size: 18px; font-weight: 600; }
.floors .count, .floors .parts, .floors .number { fill: var(--soft); font-size: 10.5px; }
.floors .number { font-size: 14px; }
.floors .left { text-anchor: start; }
.floors .count { text-anchor: end; }
"""


class Room:
    """A folder or a file at the top of the package.

    Parameters
    ----------
    name : str
        Its name in the package.
    package : pathlib.Path
        The folder of the package.
    """

    def __init__(self, name: str, package: Path) -> None:
        self.name = name
        folder = package / name
        source = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        self.about = (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n")[0]
        n_files = sum(1 for _ in folder.rglob("*.py")) or 1
        self.count = f"{n_files} file{'s' * (n_files > 1)}"
        self.parts = sorted(p.parent.name for p in folder.glob("*/__init__.py"))

    def draw(self, x: float, y: float, color: str) -> list[str]:
        """Return the room with its name, its number of files and the folders in it."""
        lines = wrap(" ".join(self.parts), 26)
        top = y + 37 - 8 * len(lines)
        left, right = x - ROOM_WIDTH / 2, x + ROOM_WIDTH / 2
        out = [
            f'<g id="floors-{self.name}">',
            f"<title>{escape(self.about)}</title>",
            f'<rect class="wall" stroke="{color}" x="{left:g}" y="{y:g}" '
            f'width="{ROOM_WIDTH}" height="{ROOM_HEIGHT}" rx="5"/>',
            f'<text class="name left" x="{left + 11:g}" y="{top:g}">{self.name}</text>',
            f'<text class="count" x="{right - 11:g}" y="{top:g}">{self.count}</text>',
        ]
        for i, line in enumerate(lines):
            at, text = left + 11, line.replace(" ", " · ")
            out.append(
                f'<text class="parts left" x="{at:g}" y="{top + 17 + 14 * i:g}">{text}</text>'
            )
        return [*out, "</g>"]


def draw_floors(package: Path = ROOT / PACKAGE, pyproject: Path = ROOT / "pyproject.toml") -> str:
    """Return the picture as SVG.

    Parameters
    ----------
    package, pyproject : pathlib.Path
        The folder of the package, and the file with its floors.

    Returns
    -------
    str
        Text that depends on the files alone.
    """
    ground, *floors = read_floors(pyproject)
    level = {room: f for f, rooms in enumerate(floors) for room in rooms}
    found = sorted(
        pair for pair in imports_between_folders(package) if pair[0] in level and pair[1] in level
    )
    arrows = {(a, b) for a, b in found if level[a] > level[b]}
    layout = Layout(floors, arrows, (ROOM_WIDTH + 24, 22))
    half = {place: ROOM_WIDTH / 2 if layout.is_room(place) else 0 for place in layout.x}
    left = min(value - half[place] for place, value in layout.x.items())
    right = max(value + half[place] for place, value in layout.x.items())
    x = {place: value - left + SIDE + 24 for place, value in layout.x.items()}
    house = right - left + 48
    width, base = house + 2 * SIDE, ROOF + len(floors) * FLOOR_HEIGHT
    top = {f: ROOF + (len(floors) - 1 - f) * FLOOR_HEIGHT + 26 for f in range(len(floors))}
    imported = [room for rooms in floors for room in rooms if any(b == room for _, b in arrows)]
    color = {room: COLORS[i % len(COLORS)] for i, room in enumerate(imported)}

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="floors" role="img" '
        f'viewBox="0 0 {width:g} {base + GROUND_HEIGHT + 14:g}">',
        f"<title>The floors of {PACKAGE}</title>",
        "<desc>Folders as rooms on their floors; lines lead from each folder down to those "
        "that it imports.</desc>",
        f"<style>{STYLE}{_hover_rules(level)}</style>",
        f'<rect class="paper" width="{width:g}" height="{base + GROUND_HEIGHT + 14:g}" rx="8"/>',
    ]
    out += _draw_house(len(floors), house, ground)
    for upper, lower in sorted(arrows):
        path = _draw_path(layout, x, top, upper, lower)
        out.append(
            f'<path class="arrow from-{upper} to-{lower}" stroke="{color[lower]}" d="{path}"/>'
        )
    for room in imported:
        at, y = x[level[room], room], top[level[room]]
        out.append(f'<path fill="{color[room]}" d="M{at:g} {y:g}l-4.5 -8h9z"/>')
    for room, f in level.items():
        out += Room(room, package).draw(x[f, room], top[f], color.get(room, "var(--line)"))
    for a, b in found:
        if (a, b) not in arrows:
            ends = [f"{x[level[r], r]:g} {top[level[r]] + ROOM_HEIGHT / 2:g}" for r in (a, b)]
            out.append(f'<path class="arrow wrong" d="M{ends[0]}L{ends[1]}"/>')
    return "\n".join([*out, "</svg>", ""])


def _draw_house(n_floors: int, house: float, ground: list[str]) -> list[str]:
    """Return roof, walls, the bands of the floors and the ground."""
    middle, end = SIDE + house / 2, SIDE + house
    base = ROOF + n_floors * FLOOR_HEIGHT
    out = [
        f'<path class="roof" d="M{SIDE - 18} {ROOF}L{middle:g} 14L{end + 18:g} {ROOF}z"/>',
        f'<text class="title" x="{middle:g}" y="{ROOF - 30}">{PACKAGE}</text>',
        f'<text class="parts" x="{middle:g}" y="{ROOF - 12}">'
        "public names, loaded on first use</text>",
    ]
    for f in range(n_floors):
        y = base - (f + 1) * FLOOR_HEIGHT
        if f % 2 == 0:
            out.append(
                f'<rect class="band" x="{SIDE}" y="{y}" width="{house:g}" height="{FLOOR_HEIGHT}"/>'
            )
        out.append(
            f'<text class="number" x="{SIDE / 2:g}" y="{y + FLOOR_HEIGHT / 2 + 5:g}">{f + 1}</text>'
        )
    files = escape("   ".join(f"{name}.py" for name in ground))
    out += [
        f'<rect class="outline" x="{SIDE}" y="{ROOF}" width="{house:g}" height="{base - ROOF}"/>',
        f'<rect class="roof" x="{SIDE - 18}" y="{base}" width="{house + 36:g}" '
        f'height="{GROUND_HEIGHT}"/>',
        f'<text class="name" x="{middle:g}" y="{base + 24}">'
        "the ground: files that every folder may import</text>",
        f'<text class="parts" x="{middle:g}" y="{base + 43}" xml:space="preserve">{files}</text>',
    ]
    return out


def _draw_path(
    layout: Layout, x: dict[Place, float], top: dict[int, int], upper: str, lower: str
) -> str:
    """Return the path of one line: straight past rooms, bent between floors."""
    places = layout.path(upper, lower)
    start = places[0]
    ways = sorted({x[end] for end in layout.below[start]})
    spread = min(18.0, (ROOM_WIDTH - 30) / max(1, len(ways)))
    at = x[start] + spread * (ways.index(x[places[1]]) - (len(ways) - 1) / 2)
    y = top[start[0]] + ROOM_HEIGHT
    path = f"M{at:g} {y:g}"
    for place in places[1:]:
        goal, down = x[place], top[place[0]]
        middle = (y + down) / 2
        path += f"C{at:g} {middle + 10:g} {goal:g} {middle - 10:g} {goal:g} {down:g}"
        at, y = goal, down
        if not layout.is_room(place):
            y += ROOM_HEIGHT
            path += f"V{y:g}"
    return path


def _hover_rules(rooms: dict[str, int]) -> str:
    """Return rules that leave only the lines of the room under the pointer."""
    return "".join(
        f".floors:has(#floors-{room}:hover) .arrow:not(.from-{room}, .to-{room}) "
        "{ opacity: 0.08; }\n"
        for room in rooms
    )


if __name__ == "__main__":
    TARGET.write_text(draw_floors(), encoding="utf-8")
    print(f"Wrote {TARGET.relative_to(ROOT)}")
