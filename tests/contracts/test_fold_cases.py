"""The fold's cases are fresh, and leave out nothing that a fold can do."""

from roomlog_contract.fold import NoEffectReason
from tests.contracts import fold_cases as cases


def test_the_file_holds_what_the_fold_says_now():
    assert cases.FOLD_CASES.read_bytes() == cases.encoded(), (
        "run python -m tests.contracts.fold_cases"
    )


def test_every_effect_and_every_reason_to_have_none_is_among_the_cases():
    effects = [effect for case in cases.fold_cases() for effect in case.effects]

    assert {effect["kind"] for effect in effects} == set(cases._EFFECTS.values())
    assert {effect.get("reason") for effect in effects} == {None, *NoEffectReason}
