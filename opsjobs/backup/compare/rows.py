"""The panels of a dashboard, out of their rows; each knows where it stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opsjobs.backup.compare import panels
from opsjobs.backup.compare.difference import Difference, bare, plain
from opsjobs.backup.compare.forms import Member, Members, Pairs, Words, cleaned, within, without, word

_SIDES = ("x", "y", "w", "h")
PLACE = "/place"
"""No key of Grafana's is called so."""


def placed(before: Any, after: Any) -> Difference:
    """A panel that stands elsewhere or has another size, told once."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return bare("moved", absent="nowhere")(before, after)
    rows = before.get("row") != after.get("row")
    moved = rows or any(before.get(key) != after.get(key) for key in ("x", "y", "place"))
    sized = any(before.get(key) != after.get(key) for key in ("w", "h"))

    def shown(place: dict[str, Any]) -> str:
        row = f"row '{place['row']}'" if place.get("row") else "no row"
        at = f"place {place['place']}" if "place" in place else f"x {place.get('x', 0)}, y {place.get('y', 0)}"
        width, height = (plain(place.get(side, 0)) for side in ("w", "h"))
        size = f"{width}/12" if "place" in place else f"{width} by {height}"
        return ", ".join([*([row] if rows else [at] if moved else []), *([size] if sized else [])])

    return bare("moved" if moved else "resized", shown)(before, after)


_WORDS = Words(names={**panels.NAMES, PLACE: placed})


def of_dashboard(listed: list[Any], rows: list[Any]) -> Members:
    """All panels of a dashboard, in a list or in the rows of old ones."""
    return Members(noun="panels", ordered=False, each=(*_flat(listed), *_old(rows)), settle=_renamed)


def _flat(listed: list[Any]) -> list[Member]:
    found = []
    row = ""
    # Grafana reads them from top to bottom: what is below the header of an open row belongs to it.
    for panel in sorted(listed, key=_corner):
        if not isinstance(panel, dict) or panel.get("type") != "row":
            found.append(_member(panel, row=row))
            continue
        row = _titled(panel.get("title"))
        inner = panel.get("panels")
        found.append(_member(without(panel, ["panels"]) if isinstance(inner, list) else panel))
        found += [_member(each, row=row) for each in inner] if isinstance(inner, list) else []
    return found


def _old(rows: list[Any]) -> list[Member]:
    """Rows as they were before Grafana 5: a panel stands where its row has it, and is so many twelfths wide."""
    found = []
    for number, row in enumerate(rows, start=1):
        inner = within(row, "panels")
        if not isinstance(row, dict) or not isinstance(inner, list):
            found.append(_member(row, place=number))
            continue
        found.append(_member({"type": "row", **without(row, ["panels"])}, place=number))
        title = word(row.get("title")) or str(number)
        found += [_member(each, row=title, place=place) for place, each in enumerate(inner, start=1)]
    return found


def _member(panel: Any, *, row: str = "", place: int | None = None) -> Member:
    if not isinstance(panel, dict):
        # What is no panel stands nowhere; that it is in a row is all there is to say.
        return Member(name="panel without a title", content={"panel": cleaned(panel), "row": row, "place": place})
    made = panels.content(panel)
    grid = panel.get("gridPos")
    sides = {key: grid[key] for key in _SIDES if key in grid} if isinstance(grid, dict) else {}
    own = {"place": place, "w": panel.get("span")} if place is not None else {}
    rest = cleaned({"gridPos": without(grid, _SIDES) if isinstance(grid, dict) else grid})
    at = cleaned({**sides, **own, "row": row})
    number, title, kind = (panel.get(key) for key in ("id", "title", "type"))
    return Member(
        name=panels.called("row" if kind == "row" else "panel", title, number),
        keys=panels.keys(number, title, kind),
        content={
            **without(made, [PLACE, "span"] if own else [PLACE]),
            **rest,
            **({PLACE: at} if at else {}),
        },
        summary=word(kind),
        words=_WORDS,
    )


def _renamed(pairs: Pairs) -> Pairs:
    """Panels of a row that has another title did not move: the title of the row is told."""
    titles = {
        _titled(within(before.content, "title")): _titled(within(after.content, "title"))
        for before, after in pairs
        if within(before.content, "type") == within(after.content, "type") == "row"
    }
    return [(_in_row(before, titles), after) for before, after in pairs]


def _in_row(member: Member, titles: dict[str, str]) -> Member:
    row = within(member.content, PLACE, "row")
    if titles.get(row, row) == row:
        return member
    return replace(member, content={**member.content, PLACE: {**member.content[PLACE], "row": titles[row]}})


def _titled(title: Any) -> str:
    return word(title) or "without a title"


def _corner(panel: Any) -> tuple[float, float]:
    top, left = (within(panel, "gridPos", side) for side in ("y", "x"))
    return _number(top), _number(left)


def _number(value: Any) -> float:
    # What is no number stands at the top, and so does NaN, which cannot be sorted.
    return value if isinstance(value, int | float) and value == value else 0  # noqa: PLR0124
