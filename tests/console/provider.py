"""A small OpenID Connect provider on the loopback, strict about what it is asked, and able to lie."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "probewatch", "a secret between two servers"


class ProviderServer:
    """Runs in a thread. `claims` are what it says about whoever logs in; `lie` changes the token."""

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "one"})]
        self.claims: dict[str, Any] = {
            "sub": "s-1",
            "preferred_username": "reviewer-1",
            "roles": ["reviewer"],
        }
        self.lie: dict[str, Any] = {}
        self.sign: Any = None
        self.issued: dict[str, dict[str, str]] = {}
        self.refusal: str | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.get(self)

            def do_POST(self) -> None:
                server.post(self)

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> ProviderServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        if address.path == "/.well-known/openid-configuration":
            _send(
                handler,
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": self.issuer + "/authorize",
                    "token_endpoint": self.issuer + "/token",
                    "jwks_uri": self.issuer + "/keys",
                },
            )
        elif address.path == "/keys":
            _send(handler, {"keys": [key.as_dict(private=False) for key in self.keys]})
        elif address.path == "/authorize":
            self._authorize(handler, {key: one for key, (one,) in parse_qs(address.query).items()})
        else:
            _send(handler, {}, 404)

    def _authorize(self, handler: BaseHTTPRequestHandler, asked: dict[str, str]) -> None:
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code"
        assert "openid" in asked["scope"].split() and asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32
        code = secrets.token_urlsafe(16)
        self.issued[code] = asked
        answer = {"code": code} if self.refusal is None else {"error": self.refusal}
        handler.send_response(302)
        query = urlencode({**answer, "state": asked["state"], "iss": self.issuer})
        handler.send_header("Location", f"{asked['redirect_uri']}?{query}")
        handler.end_headers()

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        sent = {key: one for key, (one,) in parse_qs(body).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self.issued.pop(sent.get("code", ""), None)
        if (
            asked is None
            or handler.headers["Authorization"] != f"Basic {basic}"
            or sent["redirect_uri"] != asked["redirect_uri"]
            or create_s256_code_challenge(sent["code_verifier"]) != asked["code_challenge"]
        ):
            _send(handler, {"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            **self.claims, **self.lie,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        _send(handler, {"access_token": "unused", "token_type": "Bearer", "id_token": self._token(claims)})

    def _token(self, claims: dict[str, Any]) -> str:
        if self.sign is not None:
            return str(self.sign(claims))
        key = self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    def by_shared_secret(self, claims: dict[str, Any]) -> str:
        """Signed with the public key as if it were a shared secret, an old trick."""
        signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(claims)}"
        key = self.keys[-1].as_pem(private=False)
        return f"{signed}.{_base64(hmac.digest(key, signed.encode(), 'sha256'))}"

    def by_nobody(self, claims: dict[str, Any]) -> str:
        """Not signed at all."""
        return f"{_part({'alg': 'none'})}.{_part(claims)}."

    def by_another(self, claims: dict[str, Any]) -> str:
        """Signed with a key that is not the provider's, under the name of its key."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048, {"kid": "one"}))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(content: dict[str, Any]) -> str:
    return _base64(json.dumps(content).encode())


def _send(handler: BaseHTTPRequestHandler, body: dict[str, Any], status: int = 200) -> None:
    raw = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)
