"""Keys of every kind, as an issuer of tokens has them and as it publishes them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}
_MAKERS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def jwk(algorithm: str, key_id: str | None = "k", key: Any = None, **members: Any) -> Any:
    """The public JWK of a private key."""
    public = (key or KEYS[algorithm]).public_key()
    made = _MAKERS[algorithm].to_jwk(public, as_dict=True)
    made.pop("key_ops", None)
    return {**made, **({} if key_id is None else {"kid": key_id}), **members}


def private_jwk(algorithm: str, key_id: str = "k") -> Any:
    return {**_MAKERS[algorithm].to_jwk(KEYS[algorithm], as_dict=True), "kid": key_id}


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def public_pem(algorithm: str) -> bytes:
    public = KEYS[algorithm].public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(
    algorithm: str,
    claims: dict[str, Any],
    *,
    key: Any = None,
    key_id: str | None = "k",
    **header: Any,
) -> str:
    headers = {**({} if key_id is None else {"kid": key_id}), **header}
    return jwt.encode(claims, key or KEYS[algorithm], algorithm=algorithm, headers=headers)


def encoded(part: Any) -> str:
    """One part of a token made by hand."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, seconds: float = 1_800_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)
