"""Headers of every answer: nothing from elsewhere, in no frame, kept nowhere."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

#: Scripts, styles, pictures and fonts are files of ours; nothing stands inline.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HTTPS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}


def secure(headers: MutableHeaders, *, https: bool) -> None:
    """Add what is missing. What says nothing about being kept is kept nowhere."""
    for name, value in {**ALWAYS, **(HTTPS if https else {})}.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
