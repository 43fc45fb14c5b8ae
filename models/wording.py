"""How figures and days are written in the sentences that explain alerts."""

from __future__ import annotations

from datetime import date

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def day_text(day: int) -> str:
    """A local day, given as proleptic ordinal.

    >>> day_text(date(2020, 5, 31).toordinal())
    '31 May 2020'
    """
    when = date.fromordinal(day)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def figure(value: float) -> str:
    """A count or a mean, to two significant digits below ten, and never in powers of ten.

    >>> figure(1.234), figure(12.34), figure(3.0), figure(0.0123), figure(0.0000945)
    ('1.2', '12', '3', '0.012', 'under 0.0001')
    """
    if 0 < value < 1e-4:
        return "under 0.0001"
    if value == int(value) or abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}"


def chance(p: float) -> str:
    """A p-value.

    >>> chance(0.0000031), chance(0.0421)
    ('p = 3e-06', 'p = 0.042')
    """
    return f"p = {p:.0e}" if p < 0.001 else f"p = {p:.2g}"


def length(seconds: float) -> str:
    """A span of time in the unit that fits.

    >>> length(7200), length(86400 * 9.2), length(60)
    ('2 hours', '9.2 days', '1 minute')
    """
    for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= size * (2 if unit == "day" else 1):
            value = figure(seconds / size)
            return f"{value} {unit}{'' if value == '1' else 's'}"
    value = figure(seconds)
    return f"{value} second{'' if value == '1' else 's'}"


def plural(number: int, noun: str) -> str:
    """A number with its noun.

    >>> plural(1, "search"), plural(3, "search"), plural(2, "case"), plural(2, "entry"), plural(2, "day")
    ('1 search', '3 searches', '2 cases', '2 entries', '2 days')
    """
    if number != 1 and noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{number:,} {noun[:-1]}ies"
    ending = "" if number == 1 else "es" if noun.endswith(("ch", "s", "x")) else "s"
    return f"{number:,} {noun}{ending}"
