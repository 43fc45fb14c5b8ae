"""Where somebody goes after the login: back to a page of ours, never to another site."""

from __future__ import annotations

from urllib.parse import urlsplit

_MOST_LETTERS = 2000


def own_path(wanted: str | None) -> str | None:
    r"""The wanted address if it is a path of the console, else None.

    >>> own_path("/alerts?unit=a"), own_path("//elsewhere.example"), own_path("/\\elsewhere.example")
    ('/alerts?unit=a', None, None)
    """
    if not wanted or len(wanted) > _MOST_LETTERS or not wanted.isprintable() or not wanted.isascii():
        return None
    if not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted:
        return None
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return None
    return None if parts.scheme or parts.netloc else wanted
