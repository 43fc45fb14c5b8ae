"""Login through the organisation's own provider: OpenID Connect Core 1.0, code flow with PKCE (RFC 7636).

What a login must prove when it comes back lies in a sealed cookie of the same browser: state, nonce and
verifier. Nothing that the provider says is believed before its signature, issuer, audience, times and nonce
are checked.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from console.access.permissions import fitting
from console.access.tokens import fresh, same
from console.settings import ConsoleSettings

with warnings.catch_warnings():  # it would rather have a successor of httpx, which is not needed otherwise
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import OAuth2Client

#: Signatures that are accepted: none by a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: Seconds that answers may take, that clocks may differ, and that keys and addresses are kept.
TIMEOUT, LEEWAY, KEEP = 10.0, 60, 3600.0


class Failed(Exception):
    """The login did not work out; the text is a sentence for people and says nothing secret."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for. `subject` is unique at the `issuer` and never given to another."""

    issuer: str
    subject: str
    name: str
    roles: frozenset[str]


class Provider:
    """The provider that the settings name. `http` speaks with it; another one stands in for it in tests."""

    def __init__(
        self,
        settings: ConsoleSettings,
        http: Callable[..., httpx.Client] = httpx.Client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer or ""
        self._http, self._clock = http, clock
        self._trust = ssl.create_default_context()  # once: it reads every authority there is
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any], KeySet] | None = None

    def begin(self, back: str, next: str) -> tuple[str, str]:
        """The provider's address to go to, and what to keep until the browser is `back`.

        Raises:
            Failed: the provider does not answer as it should.
        """
        metadata, _ = self._discover()
        kept = {"state": fresh(), "nonce": fresh(), "verifier": fresh(), "next": next}
        with self._client(back) as client:
            url, _ = client.create_authorization_url(
                _endpoint(metadata, "authorization_endpoint"),
                state=kept["state"],
                nonce=kept["nonce"],
                code_verifier=kept["verifier"],
            )
        return url, json.dumps(kept)

    def finish(self, back: str, kept: str, answer: Mapping[str, str]) -> tuple[Identity, str]:
        """Whom the provider vouches for, from its `answer` in the address; and where to go then.

        Raises:
            Failed: it does not, or its answer belongs to another browser or another login.
        """
        expected = json.loads(kept)
        if not same(answer.get("state", ""), expected["state"]):
            raise Failed("This login was not begun in this browser. Begin again.")
        if "error" in answer or "code" not in answer:
            raise Failed("The login provider did not let you in.")
        metadata, keys = self._discover()
        if answer.get("iss", self._issuer).rstrip("/") != self._issuer:
            raise Failed("The answer came from another login provider.")
        try:
            with self._client(back) as client:
                token = client.fetch_token(
                    _endpoint(metadata, "token_endpoint"),
                    code=answer["code"],
                    code_verifier=expected["verifier"],
                    grant_type="authorization_code",
                )
        except (httpx.HTTPError, AuthlibBaseError, ValueError) as error:
            raise Failed("The login provider did not confirm this login. Begin again.") from error
        claims = self._claims(token, keys, expected["nonce"])
        return self._identity(claims), expected["next"]

    def _claims(self, token: Mapping[str, Any], keys: KeySet, nonce: str) -> dict[str, Any]:
        raw = token.get("id_token")
        if not isinstance(raw, str):
            raise Failed("The login provider gave no token.")
        try:
            try:
                decoded = jwt.decode(raw, keys, algorithms=list(ALGORITHMS))
            except (JoseError, ValueError):  # perhaps it has new keys
                decoded = jwt.decode(raw, self._discover(anew=True)[1], algorithms=list(ALGORITHMS))
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                options={
                    "iss": {"essential": True, "values": [self._issuer, self._issuer + "/"]},
                    "aud": {"essential": True, "value": self._settings.oidc_client_id or ""},
                    "nonce": {"essential": True, "value": nonce},
                },
                params={
                    "nonce": nonce,
                    "client_id": self._settings.oidc_client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise Failed("What the login provider said cannot be believed.") from error
        return dict(claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self._settings
        listed = claims.get(settings.oidc_roles_claim, [])
        groups = listed.split() if isinstance(listed, str) else listed if isinstance(listed, list) else []
        translation = settings.role_of_group
        roles = {translation.get(str(group)) if translation else str(group) for group in groups}
        known = {role for role in roles if role is not None and _is_role(role)}
        if not known:
            raise Failed("Your organisation has given you no role here. Ask whoever gives them.")
        try:
            fitting(known)
        except ValueError as error:
            raise Failed(
                f"Your organisation has given you roles that do not go together: {error}."
            ) from error
        name = str(claims.get(settings.oidc_name_claim) or claims["sub"])
        return Identity(self._issuer, str(claims["sub"]), name, frozenset(known))

    def _client(self, back: str) -> OAuth2Client:
        secret = self._settings.oidc_client_secret
        return OAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=self._settings.oidc_scope,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=TIMEOUT,
            verify=self._trust,
        )

    def _discover(self, anew: bool = False) -> tuple[dict[str, Any], KeySet]:
        """What the provider says about itself, and its keys."""
        with self._lock:
            now = self._clock()
            if self._known is not None and not anew and now - self._known[0] < KEEP:
                return self._known[1], self._known[2]
            try:
                with self._http(timeout=TIMEOUT, verify=self._trust) as http:
                    found = http.get(self._issuer + "/.well-known/openid-configuration").raise_for_status()
                    metadata = found.json()
                    keys = http.get(_endpoint(metadata, "jwks_uri")).raise_for_status().json()
                if str(metadata.get("issuer", "")).rstrip("/") != self._issuer:
                    raise Failed("The login provider calls itself by another name.")
                self._known = now, metadata, KeySet.import_key_set(keys)
            except (httpx.HTTPError, JoseError, ValueError, KeyError, AttributeError, TypeError) as error:
                raise Failed("The login provider does not answer as it should. Try again later.") from error
            return self._known[1], self._known[2]


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    found = metadata.get(name)
    if not isinstance(found, str):
        raise Failed(f"The login provider names no {name}.")
    return found


def _is_role(name: str) -> bool:
    try:
        return bool(fitting([name]))
    except ValueError:
        return False
