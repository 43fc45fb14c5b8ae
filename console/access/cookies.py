"""The cookies of the console: for the session, known browsers, a notice to show once, and the look.

None can be read by scripts or goes to another site. Over https the names begin with `__Host-`, which
no other host or path can set (RFC 6265bis, 4.1.3.2).
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request, Response

SESSION, DEVICE, NOTICE, PROVIDER, THEME = "session", "device", "notice", "provider", "theme"
#: How long a browser stays known, and how long a login at the provider may take.
LIVES = {
    DEVICE: timedelta(days=365),
    NOTICE: timedelta(minutes=5),
    PROVIDER: timedelta(minutes=10),
    THEME: timedelta(days=365),
}


def _name(request: Request, kind: str) -> str:
    prefix = "__Host-" if request.app.state.https else ""
    return f"{prefix}probewatch-{kind}"


def read(request: Request, kind: str) -> str | None:
    """The value of a cookie of ours, None when the browser sent none."""
    return request.cookies.get(_name(request, kind)) or None


def write(request: Request, response: Response, kind: str, value: str) -> None:
    """Give the browser a cookie; that of the session ends with the browser."""
    life = LIVES.get(kind)
    response.set_cookie(
        _name(request, kind),
        value,
        max_age=int(life.total_seconds()) if life else None,
        path="/",
        secure=request.app.state.https,
        httponly=True,
        samesite="lax",  # strict would log out whoever follows a link in a mail
    )


def erase(request: Request, response: Response, kind: str) -> None:
    """Take a cookie back."""
    response.headers.append("Set-Cookie", erasure(request, kind))


def erasure(request: Request, kind: str) -> str:
    """The header `Set-Cookie` that takes a cookie back."""
    secure = "; Secure" if request.app.state.https else ""
    return f'{_name(request, kind)}=""; Max-Age=0; Path=/; HttpOnly; SameSite=lax{secure}'
