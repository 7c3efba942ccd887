"""Who a token's bearer is (RFC 7519, HS256). The token itself is never logged or kept."""

from typing import Any

import jwt
import msgspec

from roomlog.core.decide import user_id
from roomlog.core.policy import Actor
from roomlog.ports import Clock
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import GlobalRole

TOKEN_BYTES_MAX = 8192
_NAME_CHARS_MAX = 200


class Identity(msgspec.Struct, frozen=True):
    """An authenticated user until `expires_at` (seconds since the Unix epoch)."""

    actor: Actor
    expires_at: float


class TokenVerifier:
    """Verifies tokens with one shared secret; audience and issuer are checked where configured."""

    def __init__(
        self, secret: str, clock: Clock, *, audience: str | None = None, issuer: str | None = None
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._audience = audience or None
        self._issuer = issuer or None

    async def verify(self, token: str | None) -> Identity:
        """The bearer's identity. Raises RefusedError `unauthenticated`, saying what is wrong."""
        if not token:
            raise RefusedError(ErrorCode.UNAUTHENTICATED, "a bearer token is needed")
        if len(token) > TOKEN_BYTES_MAX:
            raise RefusedError(ErrorCode.UNAUTHENTICATED, "the token is too long")
        try:
            claims = self._claims(token)
            expires_at = float(claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise RefusedError(ErrorCode.UNAUTHENTICATED, "the token has expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise RefusedError(
                ErrorCode.UNAUTHENTICATED, f"the token is not valid: {type(error).__name__}"
            ) from error
        return _identity(claims, expires_at)

    def _claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            self._secret,
            algorithms=["HS256"],
            audience=self._audience,
            issuer=self._issuer,
            options={
                "require": ["exp", "sub"],
                "verify_aud": self._audience is not None,
                "verify_iss": self._issuer is not None,
            },
        )


def _identity(claims: dict[str, Any], expires_at: float) -> Identity:
    try:
        user = user_id(str(claims["sub"]), "sub")
    except RefusedError as error:
        raise RefusedError(ErrorCode.UNAUTHENTICATED, f"the token's sub: {error.detail}") from error
    roles = claims.get("roles", [])
    name = claims.get("name")
    if not isinstance(roles, list) or not (name is None or isinstance(name, str)):
        raise RefusedError(
            ErrorCode.UNAUTHENTICATED, "the token's roles must be a list and its name text"
        )
    known = frozenset(GlobalRole(r) for r in roles if r in GlobalRole.__members__.values())
    actor = Actor(user, name[:_NAME_CHARS_MAX] if name else None, known)
    return Identity(actor, expires_at)
