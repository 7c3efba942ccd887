"""Which tokens are taken (RFC 7519, RFC 8725): every algorithm, and every way of cheating."""

import hashlib
import hmac
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from roomlog.core.policy import Actor
from roomlog.services import tokens
from roomlog.services.signing_keys import SigningKeys
from roomlog.services.tokens import TOKEN_BYTES_MAX, VERIFIED_FOR_S, TokenVerifier
from roomlog_contract.errors import ErrorCode, RefusedError
from roomlog_contract.types import GlobalRole
from tests.services.key_material import (
    KEYS,
    SetClock,
    encoded,
    jwk,
    key_set,
    public_pem,
    signed,
)

SECRET = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000
USER = "ana@example.org"
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


class _Set:
    def __init__(self, *keys: Any) -> None:
        self.data = key_set(*keys)
        self.reads = 0

    def __call__(self) -> bytes:
        self.reads += 1
        return self.data


def claims(**more: Any) -> dict[str, Any]:
    given = {"sub": USER, "exp": NOW + 60, **more}
    return {name: value for name, value in given.items() if value is not ...}


def verifier(
    source: Any = None,
    *,
    secret: str | None = None,
    clock: SetClock | None = None,
    **options: Any,
) -> TokenVerifier:
    clock = clock or SetClock(NOW)
    source = source or _Set(*(jwk(algorithm) for algorithm in ALGORITHMS))
    return TokenVerifier(secret, clock, keys=SigningKeys(source, clock), **options)


def hs256(**more: Any) -> str:
    return jwt.encode(claims(**more), SECRET, algorithm="HS256")


async def refusal(tokens: TokenVerifier, token: str | None) -> str:
    with pytest.raises(RefusedError) as refused:
        await tokens.verify(token)
    assert refused.value.code is ErrorCode.UNAUTHENTICATED
    return refused.value.detail


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("key_id", ["k", None])
async def test_every_algorithm_is_taken_by_its_key(algorithm: str, key_id: str | None):
    token = signed(algorithm, claims(name="Ana", roles=["auditor", "king"]), key_id=key_id)
    identity = await verifier().verify(token)

    assert identity.actor.user_id == USER
    assert identity.actor.name == "Ana"
    assert identity.actor.roles == {GlobalRole.AUDITOR}
    assert identity.expires_at == NOW + 60


async def test_secret_and_key_set_may_stand_beside_each_other():
    both = verifier(secret=SECRET)

    assert (await both.verify(hs256())).actor.user_id == USER
    assert (await both.verify(signed("ES256", claims()))).actor.user_id == USER


async def test_what_is_not_configured_is_not_taken():
    assert "algorithm" in await refusal(verifier(), hs256())
    alone = TokenVerifier(SECRET, SetClock(NOW))
    for algorithm in ALGORITHMS:
        assert "algorithm" in await refusal(alone, signed(algorithm, claims()))


def by_hand(header: Any, body: Any, key: bytes) -> str:
    """An HMAC over anything."""
    said = f"{encoded(header)}.{encoded(body)}"
    return f"{said}.{encoded(hmac.new(key, said.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_public_key_is_no_shared_secret(algorithm: str):
    pem = public_pem(algorithm)
    for verifies in (verifier(), verifier(secret=SECRET)):
        for said in ("HS256", algorithm, "HS512"):
            forged = by_hand({"alg": said, "kid": "k"}, claims(), pem)
            await refusal(verifies, forged)
            await refusal(verifies, by_hand({"alg": said, "kid": "k"}, claims(), pem.strip()))


@pytest.mark.parametrize("said", ALGORITHMS)
@pytest.mark.parametrize("signs", ALGORITHMS)
async def test_the_type_of_the_key_decides_and_not_the_header(said: str, signs: str):
    source = _Set(jwk(signs))
    real = signed(signs, claims())
    _, body, signature = real.split(".")
    forged = f"{encoded({'alg': said, 'kid': 'k', 'typ': 'JWT'})}.{body}.{signature}"

    assert (await verifier(source).verify(real)).actor.user_id == USER
    if said != signs:
        await refusal(verifier(source), forged)


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "NONE", "", None, 7, ["HS256"], {}, "hs256", "HS384", "RS512", "PS256"],
)
async def test_no_other_algorithm_is_taken(algorithm: Any):
    for signature in ("", encoded(b"x" * 32)):
        token = f"{encoded({'alg': algorithm, 'kid': 'k'})}.{encoded(claims())}.{signature}"
        await refusal(verifier(secret=SECRET), token)
        await refusal(
            verifier(secret=SECRET), by_hand({"alg": algorithm}, claims(), SECRET.encode())
        )


async def test_a_key_in_the_token_itself_is_not_looked_at():
    mine = ed25519.Ed25519PrivateKey.generate()
    given = {"jwk": jwk("EdDSA", key=mine), "jku": "http://127.0.0.1:1/", "x5u": "http://x/"}

    for key_id in ("k", None, "other"):
        await refusal(verifier(), signed("EdDSA", claims(), key=mine, key_id=key_id, **given))


async def test_another_issuers_key_of_the_same_kind_and_id_is_refused():
    others: dict[str, Any] = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    for algorithm, key in others.items():
        await refusal(verifier(), signed(algorithm, claims(), key=key))


async def test_of_keys_without_ids_each_is_tried():
    newer = ed25519.Ed25519PrivateKey.generate()
    source = _Set(jwk("EdDSA", None, key=newer), jwk("EdDSA", None))

    for key in (newer, KEYS["EdDSA"]):
        token = signed("EdDSA", claims(), key=key, key_id=None)
        assert (await verifier(source).verify(token)).actor.user_id == USER


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"exp": ...}, "lacks exp"),
        ({"sub": ...}, "lacks sub"),
        ({"exp": None}, "lacks exp"),
        ({"sub": None}, "lacks sub"),
        ({"exp": NOW}, "has expired"),
        ({"exp": NOW - 1}, "has expired"),
        ({"exp": str(NOW + 60)}, "exp must be a time"),
        ({"exp": True}, "exp must be a time"),
        ({"exp": float("nan")}, "exp must be a time"),
        ({"exp": float("inf")}, "exp must be a time"),
        ({"exp": 10**400}, "exp must be a time"),
        ({"exp": [NOW]}, "exp must be a time"),
        ({"nbf": NOW + 3}, "not valid yet"),
        ({"nbf": "soon"}, "nbf must be a time"),
        ({"nbf": None}, "nbf must be a time"),
        ({"iat": NOW + 3}, "not valid yet"),
        ({"iat": -1}, "iat must be a time"),
        ({"sub": 7}, "not valid"),
        ({"sub": ["ana"]}, "not valid"),
        ({"sub": ""}, "sub: "),
        ({"sub": "a\nb"}, "sub: "),
        ({"sub": "x" * 255}, "sub: "),
        ({"roles": "admin"}, "roles must be a list"),
        ({"roles": {"admin": 1}}, "roles must be a list"),
        ({"roles": None}, "roles must be a list"),
        ({"name": 7}, "name text"),
    ],
)
async def test_claims_that_lack_or_lie_are_refused(wrong: dict[str, Any], why: str):
    for token in (
        (signed("EdDSA", claims(**wrong)), hs256(**wrong))
        if wrong.get("sub")
        not in (
            7,
            ["ana"],
        )
        else (by_hand({"alg": "HS256"}, claims(**wrong), SECRET.encode()),)
    ):
        assert why in await refusal(verifier(secret=SECRET), token)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (" Ana  María\n", "Ana María"),
        ("a\x00b\x1b[31m\u202ec\ud800", "a b [31m c"),
        ("x" * 300, "x" * 200),
        ("\t \n", None),
        ("", None),
        (None, None),
    ],
)
async def test_a_name_is_taken_as_it_can_be_shown_in_one_line(name: str | None, shown: str | None):
    token = by_hand({"alg": "HS256"}, claims(name=name), SECRET.encode())
    assert (await verifier(secret=SECRET).verify(token)).actor.name == shown


async def test_bearers_are_told_of_when_their_token_is_verified():
    clock = SetClock(NOW)
    told: list[Actor] = []
    tokens = TokenVerifier(SECRET, clock)
    tokens.on_verified(told.append)
    token = hs256(name="Ana")
    for _ in range(3):
        await tokens.verify(token)
    await refusal(tokens, token + "x")
    assert [(actor.user_id, actor.name) for actor in told] == [(USER, "Ana")]
    clock.seconds += VERIFIED_FOR_S
    await tokens.verify(token)
    assert len(told) == 2


async def test_times_that_hold_are_taken_with_a_little_skew():
    for more in ({"nbf": NOW}, {"iat": NOW - 5}, {"nbf": NOW + 1.5}, {"iat": NOW + 1.5}):
        assert (await verifier(secret=SECRET).verify(hs256(**more))).actor.user_id == USER


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "lacks"),
        ({"aud": "other", "iss": "us"}, "audience"),
        ({"aud": ["other"], "iss": "us"}, "audience"),
        ({"aud": "roomlog", "iss": "them"}, "issuer"),
        ({"aud": "roomlog"}, "lacks iss"),
        ({"iss": "us"}, "lacks aud"),
        ({"aud": "roomlog", "iss": ["us"]}, "not"),
        ({"aud": "room", "iss": "us"}, "audience"),
        ({"aud": "roomlog", "iss": "u"}, "issuer"),
    ],
)
async def test_audience_and_issuer_are_checked_where_they_are_configured(
    more: dict[str, Any], why: str
):
    checks = verifier(secret=SECRET, audience="roomlog", issuer="us")
    assert why in await refusal(checks, by_hand({"alg": "HS256"}, claims(**more), SECRET.encode()))
    for aud in ("roomlog", ["other", "roomlog"]):
        assert (await checks.verify(hs256(aud=aud, iss="us"))).actor.user_id == USER


@pytest.mark.parametrize(
    "token",
    [
        *(None, "", "x", "a.b", "a.b.c", "....", "é.é.é", "\ud800", "a.b.c.d.e"),
        "x" * (TOKEN_BYTES_MAX + 1),
        f"{encoded([])}.{encoded({})}.x",
        f"{encoded(b'[' * 3000)}.{encoded({})}.x",
        by_hand({"alg": "HS256"}, [], SECRET.encode()),
        by_hand({"alg": "HS256"}, 7, SECRET.encode()),
        by_hand({"alg": "HS256"}, b"[" * 4000, SECRET.encode()),
        by_hand({"alg": "HS256"}, b"\xff", SECRET.encode()),
        by_hand({"alg": "HS256", "kid": 7}, claims(), SECRET.encode()),
        by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), SECRET.encode()),
        by_hand({"alg": "HS256", "crit": ["b64"], "b64": False}, claims(), SECRET.encode()),
        by_hand({"alg": "HS256"}, b'{"exp":' + b"9" * 5000 + b"}", SECRET.encode()),
    ],
    ids=lambda token: repr(token)[:20],
)
async def test_nonsense_is_refused_and_never_repeated(token: str | None):
    detail = await refusal(verifier(secret=SECRET), token)

    assert not token or len(token) < 3 or token not in detail


async def test_a_token_found_good_is_not_verified_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
):
    clock = SetClock(NOW)
    checks = verifier(clock=clock)
    token = signed("ES256", claims())
    first = await checks.verify(token)
    monkeypatch.setattr(jwt, "decode", lambda *args, **kwargs: pytest.fail("verified again"))

    clock.seconds += tokens.VERIFIED_FOR_S - 1
    assert await checks.verify(token) is first
    monkeypatch.undo()

    clock.seconds += 2
    assert await checks.verify(token) is not first


async def test_a_remembered_token_still_expires_to_the_moment():
    clock = SetClock(NOW)
    checks = verifier(clock=clock)
    token = signed("EdDSA", claims(exp=NOW + 5))
    await checks.verify(token)
    clock.seconds += 4.999
    await checks.verify(token)
    clock.seconds += 0.001

    assert await refusal(checks, token) == "the token has expired"


async def test_a_remembered_token_is_forgotten_when_its_key_is_withdrawn():
    clock, source = SetClock(NOW), _Set(jwk("EdDSA", "old"))
    checks = verifier(source, clock=clock)
    token = signed("EdDSA", claims(), key_id="old")
    await checks.verify(token)
    source.data = key_set(jwk("EdDSA", "new"))
    await checks.verify(signed("EdDSA", claims(), key_id="new"))

    assert "not in the key set" in await refusal(checks, token)


async def test_what_is_remembered_is_bounded_and_holds_no_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "VERIFIED_MAX", 3)
    checks = verifier(secret=SECRET)
    given = [hs256(jti=str(number)) for number in range(5)]
    for token in given:
        await checks.verify(token)

    assert len(checks._verified) == 3
    assert not any(token.split(".")[2] in repr(checks._verified) for token in given)


async def test_a_refused_token_is_not_remembered():
    checks = verifier(secret=SECRET)
    for token in (hs256(exp=NOW - 1), hs256(nbf=NOW + 60), "nonsense"):
        await refusal(checks, token)

    assert not checks._verified


async def test_while_the_key_set_can_not_be_read_that_is_what_is_said():
    assert "can't be read now" in await refusal(verifier(_Set()), signed("EdDSA", claims()))


async def test_a_refused_token_says_what_is_wrong_with_it():
    foreign = by_hand({"alg": "HS256"}, claims(), b"x" * 32)

    assert "signed with another key" in await refusal(verifier(secret=SECRET), foreign)
    assert "it is no JWT" in await refusal(verifier(secret=SECRET), "gibberish")
