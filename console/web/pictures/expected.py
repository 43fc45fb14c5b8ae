"""What was seen against what normal use would give."""

from __future__ import annotations

from markupsafe import Markup

from console.web.pictures.base import Picture, Scale, dot, line, numbers, rect, steps, text
from models.wording import figure

WIDE, LEFT, RIGHT, AXIS = 480.0, 16.0, 464.0, 96.0


def expected_picture(
    observed: float, expected: float | None, interval: tuple[float, float] | None
) -> Picture:
    """One number on a line, with the mean of normal use and where 95 of 100 such numbers would lie."""
    known = [observed, 0.0, *([] if expected is None else [expected]), *(interval or ())]
    low, high = min(known), max(known)
    high += (high - low or 1.0) * 0.06
    at = Scale(low, high, LEFT, RIGHT)
    parts = [line([(LEFT, AXIS), (RIGHT, AXIS)], "axis")]
    for mark in steps(low, high, 6):
        parts += [
            line([(at(mark), AXIS), (at(mark), AXIS + 5)], "axis"),
            text(at(mark), AXIS + 20, figure(mark), "faint middle"),
        ]
    rows: list[tuple[str, float]] = [("Seen", observed)]
    # What is counted differs from detector to detector: searches, cases, days, hours.
    said = f"{figure(observed)} seen, of what the sentence of the alert counts"
    none_at_all = expected == 0 and interval == (0, 0)
    if none_at_all:  # a rule or a gap in numbers, for which there is no normal use
        said += ", where there should be none"
    elif interval is not None:
        first, last = interval
        parts.append(rect(at(first), 50, max(at(last) - at(first), 2), AXIS - 50, "band"))
        rows += [("Usual at least (95 of 100)", first), ("Usual at most (95 of 100)", last)]
        said += f"; in normal use 95 of 100 such counts lie between {figure(first)} and {figure(last)}"
    if expected is not None:
        parts.append(line([(at(expected), 44), (at(expected), AXIS)], "line third dashed"))
        parts.append(_label(at(expected), 84 if interval is None else 40, f"expected {figure(expected)}"))
        rows.insert(1, ("Expected", expected))
        said += "" if none_at_all else f"; the mean of normal use is {figure(expected)}"
    parts.append(line([(at(observed), 26), (at(observed), AXIS)], "line second"))
    parts.append(dot(at(observed), AXIS - 10, 7, "second"))
    parts.append(_label(at(observed), 20, f"seen {figure(observed)}", "strong"))
    return Picture(
        title="Seen and expected",
        description=f"{said}.",
        width=WIDE,
        height=AXIS + 34,
        parts=parts,
        table=numbers("expected", "The numbers of the picture", ("What", "text"), ("Number", "number")),
        rows=rows,
    )


def _label(x: float, y: float, words: str, look: str = "") -> Markup:
    """Words at a place, kept within the drawing."""
    side = "end" if x > RIGHT - 60 else "" if x < LEFT + 60 else "middle"
    return text(x, y, words, f"{look} {side}".strip())
