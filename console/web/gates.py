"""What a request must be like before anything looks at it: host, size, origin."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.types import Message, Receive

from console.access.csrf import SAFE

#: Answered under any name: whoever checks health knows an address and no name.
HEALTH = frozenset({"/healthz", "/readyz"})
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_LETTERS = 8000


class Gates:
    """Looks at the head of each request.

    `public_url` is where people find the console, `host` the address that it listens on, `most_bytes` the
    largest body that is read.
    """

    def __init__(self, public_url: str | None, host: str, most_bytes: int) -> None:
        public = urlsplit(public_url or "")
        self._public = public.netloc
        self._scheme = public.scheme
        self._hosts = {*_LOOPBACK, host, public.hostname or ""} - {"", "0.0.0.0", "::"}  # noqa: S104
        self._most = most_bytes

    def refusal(self, request: Request) -> tuple[int, str] | None:
        """Status and sentence for a request that goes no further; None for one that may."""
        if "\0" in request.url.path or "\0" in str(request.query_params):
            return 400, "The address holds a character that no address has."
        if len(request.scope["query_string"]) + len(request.scope["path"]) > _MOST_LETTERS:
            return 414, "The address is too long."
        if request.url.path not in HEALTH and not self._known(request.headers.get("host", "")):
            return 400, (
                "The console does not know itself under this name. If it is the right one, whoever runs the"
                " console sets PROBEWATCH_CONSOLE_PUBLIC_URL."
            )
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            return 413, self._too_large
        if request.method not in SAFE and not self._ours(request):
            return 403, "This request comes from another site and was not carried out."
        return None

    def limited(self, receive: Receive) -> Receive:
        """Reads a body and stops where it is too large, whatever its head said."""
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, self._too_large)
            return message

        return receiving

    @property
    def _too_large(self) -> str:
        return f"More than {self._most:,} bytes cannot be sent at once."

    def _known(self, host: str) -> bool:
        try:
            return host == self._public or urlsplit(f"//{host}").hostname in self._hosts
        except ValueError:
            return False

    def _ours(self, request: Request) -> bool:
        """Whether a request that changes something comes from our own pages, as far as the browser says."""
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True  # an old browser, or none: the token decides
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if self._public and parts.netloc == self._public:
            return parts.scheme == self._scheme
        return bool(parts.netloc) and parts.netloc == request.headers.get("host")
