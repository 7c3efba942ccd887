"""A JSON Web Key Set (RFC 7517) as the public keys that it holds. No input or output here.

A key's type alone says which algorithm it verifies: RSA is RS256, EC on P-256 is ES256, OKP on
Ed25519 is EdDSA (RFC 7518, RFC 8037). A token's header only picks among those. Symmetric keys
are never taken from a key set: a public key can't become a shared secret that way.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

KEYS_MAX = 100
KEYS_WITHOUT_ID_MAX = 4
RSA_BITS_MIN = 2048
RSA_BITS_MAX = 8192
_KEY_ID_CHARS_SHOWN = 40
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})


class KeySetError(Exception):
    """What was read is no usable key set; the text says why."""


class SigningKey(NamedTuple):
    """One public key, the one algorithm that it verifies, and its id, where it has one."""

    key_id: str | None
    algorithm: str
    key: PublicKey


class KeySet(NamedTuple):
    """The keys that can be used; in words, which others of the set can't and why, and what
    should not be in it at all."""

    keys: tuple[SigningKey, ...] = ()
    unused: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def candidates(self, algorithm: str, key_id: str | None) -> Sequence[SigningKey]:
        """The keys that a token with this header may be signed with.

        With an id, those that bear it; without, the first KEYS_WITHOUT_ID_MAX of that kind.
        """
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        if key_id is None:
            return fitting[:KEYS_WITHOUT_ID_MAX]
        return [key for key in fitting if key.key_id == key_id]


class _UnusableError(Exception):
    """One key can't be used, for this reason."""


class _Document(msgspec.Struct):
    keys: list[Any]


def parse_key_set(data: bytes) -> KeySet:
    """The key set in `data` (JSON). Raises KeySetError where it holds no key that can be used."""
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeySetError(f"is no JSON Web Key Set: {error}") from error
    if len(document.keys) > KEYS_MAX:
        raise KeySetError(f"holds {len(document.keys)} keys; at most {KEYS_MAX} are taken")
    keys: list[SigningKey] = []
    unused: list[str] = []
    faults: list[str] = []
    for number, jwk in enumerate(document.keys, 1):
        try:
            key = _signing_key(jwk)
        except _UnusableError as error:
            unused.append(f"key {number} {_named(jwk)}is not used: {error}")
            continue
        keys.append(key)
        if not _PRIVATE_MEMBERS.isdisjoint(jwk):
            faults.append(f"key {number} {_named(jwk)}is private: publish its public part only")
    if not keys:
        raise KeySetError("; ".join(["holds no key that can be used", *unused]))
    return KeySet(tuple(keys), tuple(unused), tuple(faults))


def _named(jwk: Any) -> str:
    key_id = cast("dict[str, Any]", jwk).get("kid") if isinstance(jwk, dict) else None
    return f"({key_id[:_KEY_ID_CHARS_SHOWN]!r}) " if isinstance(key_id, str) else ""


def _signing_key(jwk: Any) -> SigningKey:
    if not isinstance(jwk, dict):
        raise _UnusableError("it is no object")
    members = cast("dict[str, Any]", jwk)
    if members.get("use", "sig") != "sig":
        raise _UnusableError("it is not for signatures (use)")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"verify", "sign"} & {str(o) for o in operations}:
        raise _UnusableError("it is not for signatures (key_ops)")
    key_id = members.get("kid")
    if not (key_id is None or isinstance(key_id, str)):
        raise _UnusableError("its kid is no text")
    algorithm, key = _public_key({k: v for k, v in members.items() if k not in _PRIVATE_MEMBERS})
    if members.get("alg", algorithm) != algorithm:
        raise _UnusableError(f"its alg is not {algorithm}, the only one taken for this type of key")
    return SigningKey(key_id, algorithm, key)


def _public_key(jwk: dict[str, Any]) -> tuple[str, PublicKey]:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    try:
        if kind == "RSA":
            key: Any = RSAAlgorithm.from_jwk(jwk)
            if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
                raise _UnusableError(f"RSA keys have {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")
            return "RS256", key
        if kind == "EC" and curve == "P-256":
            return "ES256", cast("EllipticCurvePublicKey", ECAlgorithm.from_jwk(jwk))
        if kind == "OKP" and curve == "Ed25519":
            return "EdDSA", cast("Ed25519PublicKey", OKPAlgorithm.from_jwk(jwk))
    except (PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise _UnusableError(f"it is damaged ({error})") from error
    raise _UnusableError("only RSA, EC on P-256 and OKP on Ed25519 are taken")
