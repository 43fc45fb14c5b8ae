"""What was seen against what normal use would give."""

from __future__ import annotations

from markupsafe import Markup

from console.web.pictures.base import Picture, Scale, dot, line, numbers, rect, steps, text
from models.wording import figure

LEFT, RIGHT, AXIS = 20.0, 700.0, 96.0


def expected_picture(
    observed: float, expected: float | None, interval: tuple[float, float] | None, *, words: str
) -> Picture:
    """One number on a line, with the mean of normal use and where 95 of 100 such numbers would lie.

    `words` says what is counted, as "searches in the window".
    """
    known = [observed, 0.0, *([] if expected is None else [expected]), *(interval or ())]
    low, high = min(known), max(known)
    high += (high - low or 1.0) * 0.06
    at = Scale(low, high, LEFT, RIGHT)
    parts = [line([(LEFT, AXIS), (RIGHT, AXIS)], "axis")]
    for mark in steps(low, high, 8):
        parts += [
            line([(at(mark), AXIS), (at(mark), AXIS + 5)], "axis"),
            text(at(mark), AXIS + 20, figure(mark), "faint middle"),
        ]
    rows: list[tuple[str, float]] = [("Seen", observed)]
    said = f"{figure(observed)} {words} were seen"
    if interval is not None:
        first, last = interval
        parts.append(rect(at(first), 50, max(at(last) - at(first), 2), AXIS - 50, "band"))
        rows += [("Usual at least (95 of 100)", first), ("Usual at most (95 of 100)", last)]
        said += f"; in normal use 95 of 100 such counts lie between {figure(first)} and {figure(last)}"
    if expected is not None:
        parts.append(line([(at(expected), 44), (at(expected), AXIS)], "line third dashed"))
        parts.append(_label(at(expected), 84 if interval is None else 40, f"expected {figure(expected)}"))
        rows.insert(1, ("Expected", expected))
        said += f"; the mean of normal use is {figure(expected)}"
    parts.append(line([(at(observed), 26), (at(observed), AXIS)], "line second"))
    parts.append(dot(at(observed), AXIS - 10, 7, "second"))
    parts.append(_label(at(observed), 20, f"seen {figure(observed)}", "strong"))
    return Picture(
        title="Seen and expected",
        description=f"{said}.",
        height=AXIS + 34,
        parts=parts,
        table=numbers("expected", "The numbers of the picture", ("What", "text"), ("Number", "number")),
        rows=rows,
    )


def _label(x: float, y: float, words: str, look: str = "") -> Markup:
    """Words at a place, kept within the drawing."""
    side = "end" if x > RIGHT - 60 else "" if x < LEFT + 60 else "middle"
    return text(x, y, words, f"{look} {side}".strip())
