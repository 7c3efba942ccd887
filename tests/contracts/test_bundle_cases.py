"""The bundles' cases are fresh, and there is one of everything that a verifier can find."""

import re
from pathlib import Path

from roomlog.audit import bundle_format as form
from roomlog.audit import verify_bundle
from tests.contracts import bundle_cases as cases
from tests.house.repository import ROOT


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
    found = {case.name: case for case in cases.bundle_cases().cases}
    for case in found.values():
        assert case.ok == (case.code == "ok"), case.name
        if case.ok and (case.remove or case.insert):
            # Whoever has the key can sign another room: only what others hold shows it.
            assert case.name.startswith("signed by the operator: ")
            assert any("--against" in line for line in case.not_proved)
            assert found[f"{case.name}, against a checkpoint"].code == "against_root"


_SPECIFICATION = (ROOT / "docs" / "protocol" / "bundles.md").read_text()


def test_the_specification_has_every_fixed_line():
    names = ("room_id", "epoch", "exported_at", "key")

    assert form.HEAD.format(**{name: f"{{{name}}}" for name in names}) in _SPECIFICATION
    for fixed in (form.CHECKPOINT_BEGIN, form.SIGNATURE_BEGIN, form.END):
        for line in fixed.splitlines():
            assert f"{line}\n" in _SPECIFICATION
    assert form.SIGNED_TEXT.splitlines()[0] in _SPECIFICATION


def test_the_specification_has_every_code():
    codes = {case.code for case in cases.bundle_cases().cases} - {"ok"}

    assert set(re.findall(r"^\| `(\w+)` \| .* \|.*\|$", _SPECIFICATION, re.MULTILINE)) >= codes


def test_the_specification_has_every_word_and_field_of_the_page():
    for kind, words in form._WORDS.items():
        assert f"`{kind}` {words}" in _SPECIFICATION
    for names in (form._BODY_FIELDS, form._METADATA_FIELDS):
        assert ", ".join(f"`{name}`" for name in names) in _SPECIFICATION
