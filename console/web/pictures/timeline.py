"""When the searches of an alert were made: days across, hours of the local day down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from console.web.pictures.base import Picture, Scale, diamond, dot, line, numbers, rect, text
from models.wording import day_text, plural

LEFT, RIGHT, TOP, BOTTOM = 52.0, 708.0, 28.0, 178.0
#: Days labelled on the axis at most.
LABELS = 7


def timeline_picture(
    points: Sequence[tuple[datetime, str, str]],
    zone: ZoneInfo,
    window: tuple[datetime, datetime],
    demonstrations: Iterable[tuple[date, str]] = (),
) -> Picture:
    """Searches as (time, id, words about it) in an agency's zone, with the judged window behind them and
    demonstrations above."""
    local = [(when.astimezone(zone), name, words) for when, name, words in sorted(points)]
    begin, end = (one.astimezone(zone) for one in window)
    days = [when.date() for when, _, _ in local] + [begin.date(), (end - timedelta(seconds=1)).date()]
    first, last = min(days), max(days)
    across = Scale(first.toordinal(), last.toordinal() + 1, LEFT, RIGHT)
    down = Scale(0, 24, TOP, BOTTOM)

    def place(when: datetime) -> float:
        return across(when.toordinal() + _hour(when) / 24)

    parts = [rect(place(begin), TOP, max(place(end) - place(begin), 2), BOTTOM - TOP, "heat-0")]
    for hour in (0, 6, 12, 18, 24):
        parts.append(line([(LEFT, down(hour)), (RIGHT, down(hour))], "grid"))
        parts.append(text(LEFT - 6, down(hour) + 4, f"{hour:02d}:00", "faint end"))
    step = max(1, -(-(last - first).days // LABELS))
    for number in range(0, (last - first).days + 1, step):
        day = first + timedelta(days=number)
        x = across(day.toordinal())
        parts.append(line([(x, BOTTOM), (x, BOTTOM + 5)], "axis"))
        parts.append(text(x, BOTTOM + 20, f"{day:%-d %b}" if step > 1 else f"{day:%a %-d %b}", "faint"))
    near = [(day, words) for day, words in demonstrations if first <= day <= last]
    parts += [diamond(across(day.toordinal() + 0.5), TOP - 12, 6, "third", words) for day, words in near]
    parts += [
        dot(place(when), down(_hour(when)), 5, "second", f"{when:%Y-%m-%d %H:%M}, {words}")
        for when, _, words in local
    ]
    held = ""
    if near:
        held = f" Diamonds above mark {plural(len(near), 'demonstration')}."
    span = day_text(first.toordinal())
    if last != first:
        span += f" to {day_text(last.toordinal())}"
    return Picture(
        title="When the searches were made",
        description=(
            f"{plural(len(local), 'search')} from {span}; days go across, the hours of the local day "
            f"({zone.key}) go down, the judged time is shaded.{held}"
        ),
        height=BOTTOM + 30,
        parts=parts,
        table=numbers(
            "timeline", "The searches of the picture", ("Time", "time"), ("Search", "text"), ("About", "text")
        ),
        rows=sorted(points),
    )


def _hour(when: datetime) -> float:
    """Hours of the wall clock since midnight."""
    passed = datetime.combine(date.min, when.time()) - datetime.combine(date.min, time())
    return passed.total_seconds() / 3600
