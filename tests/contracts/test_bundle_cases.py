"""The bundles' cases are fresh, and there is one of everything that a verifier can find."""

import re
from pathlib import Path

from roomlog.audit import verify_bundle
from tests.contracts import bundle_cases as cases


def test_the_file_holds_what_the_verifier_says_now():
    assert cases.BUNDLE_CASES.read_bytes() == cases.encoded(), (
        "run python -m tests.contracts.bundle_cases"
    )


def test_every_code_is_among_the_cases():
    source = Path(verify_bundle.__file__).read_text()
    named = set(re.findall(r'(?:Bad|_decoded|_expect|_require)\([^"]*?"([a-z_]+)"', source))

    assert named | {"ok", "hash", "signature", "malformed"} == {
        case.code for case in cases.bundle_cases().cases
    }


def test_nothing_that_was_changed_is_ok():
    for case in cases.bundle_cases().cases:
        assert case.ok == (case.code == "ok"), case.name
        if case.remove or case.insert:
            assert not case.ok, case.name
