"""How the pages write times and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from models.wording import day_text, figure

#: Where the pages about what alerts are about live; kinds without a page have none.
PLACES = {"requester": "/requester", "unit": "/unit", "tool": "/tool", "subject": "/subject"}


def rfc3339(value: datetime) -> str:
    """A time for programs, in UTC.

    >>> rfc3339(datetime(2020, 5, 31, 19, 4, tzinfo=UTC))
    '2020-05-31T19:04:00Z'
    """
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def utc(value: datetime) -> str:
    """A time for people, in UTC.

    >>> utc(datetime(2020, 5, 31, 19, 4, tzinfo=UTC))
    '31 May 2020, 19:04 UTC'
    """
    value = value.astimezone(UTC)
    return f"{day_text(value.toordinal())}, {value:%H:%M} UTC"


def amount(value: Any) -> str:
    """A count or a mean for people."""
    if value is None:
        return "unknown"
    return figure(value) if isinstance(value, int | float) else str(value)


def day(value: date | int) -> str:
    """A local day for people."""
    return day_text(value if isinstance(value, int) else value.toordinal())


def address(path: str, **what: str | None) -> str:
    """An address within the console; values may hold anything.

    >>> address("/unit", agency="lapd", name="a&b/c")
    '/unit?agency=lapd&name=a%26b%2Fc'
    """
    told = {key: value for key, value in what.items() if value is not None}
    return f"{path}?{urlencode(told)}" if told else path


def entity_address(kind: str, agency: str | None, name: str) -> str | None:
    """The page about a requester, unit, tool or subject; None for what has no page."""
    path = PLACES.get(kind)
    return None if path is None else address(path, agency=agency, name=name)


def coded(words: str) -> Markup:
    """Words of a docstring, with what stands between backticks as code.

    >>> str(coded("a < b (see `silence`)"))
    'a &lt; b (see <code>silence</code>)'
    """
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(words))))


#: What templates may do with a value.
FILTERS: dict[str, Callable[..., str]] = {
    "rfc3339": rfc3339,
    "utc": utc,
    "amount": amount,
    "day": day,
    "coded": coded,
}
