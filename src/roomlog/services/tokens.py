"""Who a token's bearer is (RFC 7519, RFC 8725). The token itself is never logged or kept."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import jwt
import msgspec

from roomlog.core.decide import user_id
from roomlog.core.policy import Actor
from roomlog.ports import Clock
from roomlog.services.jwks import ALGORITHMS
from roomlog.services.signing_keys import SigningKeys
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import GlobalRole

TOKEN_BYTES_MAX = 8192
VERIFIED_MAX = 10_000
VERIFIED_FOR_S = 10.0
CLOCK_SKEW_S = 2.0
_TIME_S_MAX = 253_402_300_799  # the end of the year 9999
_NAME_CHARS_MAX = 200
_SHARED = "HS256"


class Identity(msgspec.Struct, frozen=True):
    """An authenticated user until `expires_at` (seconds since the Unix epoch)."""

    actor: Actor
    expires_at: float


class _Verified(NamedTuple):
    """What a token was found to say, when, and by which generation of the key set."""

    identity: Identity
    at_s: float
    generation: int


class TokenVerifier:
    """Verifies tokens with a shared secret (HS256), with a key set (RS256, ES256, EdDSA), or
    with whichever of both fits; audience and issuer are checked where configured.

    A token that was found good is not verified again for VERIFIED_FOR_S; only its digest is
    remembered, and its expiry is looked at each time.
    """

    def __init__(
        self,
        secret: str | None,
        clock: Clock,
        *,
        keys: SigningKeys | None = None,
        audience: str | None = None,
        issuer: str | None = None,
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._audience = audience or None
        self._issuer = issuer or None
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._on_verified: Callable[[Actor], None] | None = None
        self.keys = keys

    def on_verified(self, listener: Callable[[Actor], None]) -> None:
        """Have `listener` called with each token's bearer, at most every VERIFIED_FOR_S."""
        self._on_verified = listener

    @property
    def usable(self) -> bool:
        """Whether there is anything that a token could be verified with."""
        return self._secret is not None or (self.keys is not None and self.keys.loaded)

    async def verify(self, token: str | None) -> Identity:
        """The bearer's identity. Raises RefusedError `unauthenticated`, saying what is wrong."""
        if not token:
            raise _refused("a bearer token is needed")
        if len(token) > TOKEN_BYTES_MAX:
            raise _refused("the token is too long")
        if not token.isascii():
            raise _refused("the token is not valid: it is no JWT")
        digest = sha256(token.encode()).digest()
        identity = self._remembered(digest)
        if identity is None:
            identity = _identity(await self._claims(token), self._now_s())
            self._remember(digest, identity)
            if self._on_verified is not None:
                self._on_verified(identity.actor)
        if identity.expires_at <= self._now_s():
            raise _refused("the token has expired")
        return identity

    def _now_s(self) -> float:
        return self._clock.now().timestamp()

    @property
    def _generation(self) -> int:
        return 0 if self.keys is None else self.keys.generation

    def _remembered(self, digest: bytes) -> Identity | None:
        known = self._verified.get(digest)
        if known is None:
            return None
        if (
            known.generation == self._generation
            and 0 <= self._now_s() - known.at_s < VERIFIED_FOR_S
        ):
            return known.identity
        del self._verified[digest]
        return None

    def _remember(self, digest: bytes, identity: Identity) -> None:
        self._verified[digest] = _Verified(identity, self._now_s(), self._generation)
        self._verified.move_to_end(digest)
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm == _SHARED and self._secret is not None:
                return self._decoded(token, _SHARED, self._secret)
            if isinstance(algorithm, str) and algorithm in ALGORITHMS and self.keys is not None:
                return await self._claims_by_key_set(token, self.keys, algorithm, key_id)
        except jwt.InvalidAudienceError as error:
            raise _refused("the token is not for this audience") from error
        except jwt.InvalidIssuerError as error:
            raise _refused("the token is not from this issuer") from error
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token lacks {error.claim}") from error
        except jwt.InvalidSignatureError as error:
            raise _refused("the token is not valid: it was signed with another key") from error
        except jwt.DecodeError as error:
            raise _refused("the token is not valid: it is no JWT") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise _refused(f"the token is not valid: {type(error).__name__}") from error
        raise _refused("tokens signed by this algorithm are not taken")

    async def _claims_by_key_set(
        self, token: str, keys: SigningKeys, algorithm: str, key_id: str | None
    ) -> dict[str, Any]:
        found = await keys.find(algorithm, key_id)
        if not found:
            raise _refused(
                "the token's key is not in the key set"
                if keys.loaded
                else "the key set that tokens are checked with can't be read now"
            )
        for candidate in found[:-1]:
            try:
                return self._decoded(token, candidate.algorithm, candidate.key)
            except jwt.InvalidSignatureError:
                continue
        return self._decoded(token, found[-1].algorithm, found[-1].key)

    def _decoded(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        # The times are judged by the injected clock, in `_identity`.
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._audience,
            issuer=self._issuer,
            options={
                "require": ["exp", "sub"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": self._audience is not None,
                "verify_iss": self._issuer is not None,
            },
        )


def _refused(detail: str) -> RefusedError:
    return RefusedError(ErrorCode.UNAUTHENTICATED, detail)


def _identity(claims: dict[str, Any], now_s: float) -> Identity:
    expires_at_s = _time_s(claims, "exp")
    if expires_at_s <= now_s:
        raise _refused("the token has expired")
    for name in ("nbf", "iat"):
        if name in claims and _time_s(claims, name) > now_s + CLOCK_SKEW_S:
            raise _refused(f"the token is not valid yet: its {name} lies in the future")
    try:
        user = user_id(claims["sub"], "sub")
    except RefusedError as error:
        raise _refused(f"the token's sub: {error.detail}") from error
    roles = claims.get("roles", [])
    name = claims.get("name")
    if not isinstance(roles, list) or not isinstance(name, str | None):
        raise _refused("the token's roles must be a list and its name text")
    known = frozenset(GlobalRole(r) for r in roles if r in GlobalRole.__members__.values())
    return Identity(Actor(user, _shown(name or ""), known), expires_at_s)


def _shown(name: str) -> str | None:
    """A name as it can be shown in one line; None where nothing of it can."""
    visible = "".join(ch if ch.isprintable() else " " for ch in name)
    return " ".join(visible.split())[:_NAME_CHARS_MAX] or None


def _time_s(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= _TIME_S_MAX:
        raise _refused(f"the token's {name} must be a time in seconds since 1970")
    return float(value)
