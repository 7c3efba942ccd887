"""A key set as the keys that it holds: each type one algorithm, and nothing that is not for it."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from roomlog.services.jwks import KEYS_MAX, KEYS_WITHOUT_ID_MAX, KeySetError, parse_key_set
from tests.services.key_material import jwk, key_set, private_jwk


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("members", [{}, {"use": "sig"}, {"key_ops": ["verify"]}])
def test_the_type_of_a_key_decides_its_algorithm(algorithm: str, members: dict[str, Any]):
    for said in ({}, {"alg": algorithm}):
        (key,) = parse_key_set(key_set(jwk(algorithm, **members, **said))).keys

        assert (key.algorithm, key.key_id) == (algorithm, "k")


_SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
_P384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
_ED448 = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "s"}, "only RSA, EC on P-256"),
        ({"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"}, "only RSA, EC on P-256"),
        (jwk("RS256", key=_SHORT), "2048 to 8192 bits"),
        (_P384, "only RSA, EC on P-256"),
        (_ED448, "only RSA, EC on P-256"),
        (jwk("RS256", alg="RS512"), "its alg is not RS256"),
        (jwk("RS256", alg="PS256"), "its alg is not RS256"),
        (jwk("RS256", alg="HS256"), "its alg is not RS256"),
        (jwk("RS256", alg="none"), "its alg is not RS256"),
        (jwk("RS256", alg=["RS256"]), "its alg is not RS256"),
        (jwk("ES256", use="enc"), "not for signatures (use)"),
        (jwk("ES256", key_ops=["encrypt"]), "not for signatures (key_ops)"),
        (jwk("ES256", key_ops="verify"), "not for signatures (key_ops)"),
        (jwk("ES256", x="AAAA"), "damaged"),
        (jwk("EdDSA", x="AAAA"), "damaged"),
        (jwk("EdDSA", x=7), "damaged"),
        (jwk("RS256", n="", e=""), "damaged"),
        (jwk("RS256", e="AQ"), "damaged"),
        (jwk("RS256", n=None), "damaged"),
        (jwk("EdDSA", key_id=7), "its kid is no text"),  # type: ignore[arg-type]
        ({}, "only RSA"),
        ("key", "it is no object"),
        (None, "it is no object"),
    ],
)
def test_what_is_no_key_for_us_is_left_out_and_said(wrong: Any, why: str):
    found = parse_key_set(key_set(wrong, jwk("EdDSA")))

    assert [key.algorithm for key in found.keys] == ["EdDSA"]
    assert why in found.unused[0]
    with pytest.raises(KeySetError, match="holds no key that can be used"):
        parse_key_set(key_set(wrong))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b"<html>", b"[" * 100_000),
        b'{"keys":[]}',
        key_set(*[jwk("EdDSA")] * (KEYS_MAX + 1)),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_key_set_is_refused(data: bytes):
    with pytest.raises(KeySetError):
        parse_key_set(data)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_of_a_private_key_only_the_public_part_is_kept_and_that_it_is_there_is_a_fault(
    algorithm: str,
):
    found = parse_key_set(key_set({**private_jwk(algorithm), "key_ops": ["sign"]}))

    assert not hasattr(found.keys[0].key, "sign")
    assert "is private" in found.faults[0]
    assert private_jwk(algorithm)["d"] not in json.dumps(found.faults)


def test_a_key_is_found_by_its_id_and_algorithm_together():
    found = parse_key_set(key_set(jwk("RS256", "a"), jwk("ES256", "a"), jwk("EdDSA", "b")))

    assert [key.algorithm for key in found.candidates("RS256", "a")] == ["RS256"]
    assert [key.algorithm for key in found.candidates("ES256", "a")] == ["ES256"]
    assert not found.candidates("RS256", "b")
    assert not found.candidates("HS256", "a")
    assert not found.candidates("EdDSA", "")


def test_without_an_id_only_a_few_keys_are_tried():
    found = parse_key_set(key_set(*[jwk("EdDSA", str(n)) for n in range(KEYS_WITHOUT_ID_MAX + 3)]))

    assert len(found.candidates("EdDSA", None)) == KEYS_WITHOUT_ID_MAX
    assert not found.candidates("RS256", None)
