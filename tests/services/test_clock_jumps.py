"""The server's clock jumps, forward and back: tokens and edit windows go by what it says now, and a
key stays safe as long as it is set back by no more than the duplicate window allows for."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import jwt
from hypothesis import given
from hypothesis import strategies as s

from roomlog.core import decide
from roomlog.core.decide import Limits
from roomlog.services.fresh_keys import AHEAD_S, FRESH_S, FreshKeys
from roomlog.services.tokens import VERIFIED_FOR_S, TokenVerifier
from roomlog_contract import resources as rs
from roomlog_contract.errors import ErrorCode, RefusedError
from tests.core.examples import NOW, RESPONDER, a_message, a_room
from tests.integration.realtime.memory_log import MemoryKeyMarks
from tests.services.key_material import SetClock

_SECRET = "s" * 32
_BEGIN_S = 1_800_000_000.0
_LIVES_S = 3600.0
_WINDOW_S = 900
_DUPLICATE_WINDOW_S = 120
_jumps = s.lists(
    s.sampled_from([-86_400.0, -3601.0, -61.0, -1.0, 0.5, 59.0, 3599.0, 86_400.0])
    | s.floats(-1e6, 1e6),
    max_size=12,
)


@given(_jumps)
async def test_a_token_holds_while_the_clock_is_before_its_end_wherever_it_was(
    jumps: Sequence[float],
):
    clock = SetClock(_BEGIN_S)
    tokens = TokenVerifier(_SECRET, clock)
    claims = {"sub": "ana@example.org", "exp": _BEGIN_S + _LIVES_S}
    token = jwt.encode(claims, _SECRET, algorithm="HS256")
    for jump_s in [0.0, *jumps, -VERIFIED_FOR_S, VERIFIED_FOR_S]:
        clock.seconds += jump_s
        code = None
        try:
            await tokens.verify(token)
        except RefusedError as refused:
            code = refused.code
        ended = clock.seconds >= _BEGIN_S + _LIVES_S
        assert code == (ErrorCode.UNAUTHENTICATED if ended else None)


@given(_jumps)
def test_an_edit_window_is_open_while_the_clock_is_within_it_wherever_it_was(
    jumps: Sequence[float],
):
    message = a_message(sender_id=RESPONDER.user_id)
    off_s = 0.0
    for jump_s in [0.0, *jumps]:
        off_s += jump_s
        code = None
        try:
            decide.edit(
                a_room(),
                message,
                RESPONDER,
                rs.MessageEdit("otherwise"),
                expected_version=None,
                now=NOW + timedelta(seconds=off_s),
                limits=Limits(edit_window_s=_WINDOW_S),
            )
        except RefusedError as refused:
            code = refused.code
        assert code == (ErrorCode.EDIT_WINDOW_CLOSED if off_s > _WINDOW_S else None)


@given(s.lists(s.tuples(s.floats(-35.0, 130.0), s.floats(0.0, 29.0)), min_size=2, max_size=8))
async def test_a_clock_that_was_set_back_by_half_a_minute_lets_no_old_key_pass_for_a_fresh_one(
    uses: Sequence[tuple[float, float]],
):
    # Each use at its true time, by a clock that is set back more and more, half a minute in all.
    keys, used_at_s = FreshKeys(MemoryKeyMarks()), list[float]()
    milliseconds = int(NOW.timestamp() * 1000)
    key = str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | 1))
    back = sorted(back_s for _, back_s in uses)
    for at_s, back_s in zip(sorted(at_s for at_s, _ in uses), back, strict=True):
        now = NOW + timedelta(seconds=at_s - back_s)
        if await keys.judge("ana@example.org", key, now):
            assert all(at_s - then < _DUPLICATE_WINDOW_S for then in used_at_s)
        used_at_s.append(at_s)
    assert FRESH_S + AHEAD_S + 29.0 < _DUPLICATE_WINDOW_S


def test_the_message_of_these_tests_was_sent_now():
    assert a_message().created_at == NOW.isoformat(timespec="milliseconds")[:-6] + "Z"
