"""Frames are cut out of a stream without loss, wherever the network cuts it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as s
from websockets.frames import Frame, Opcode
from websockets.speedups import apply_mask

from roomlog.realtime.framing import Frames

frames = s.builds(
    Frame,
    opcode=s.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    data=s.binary(max_size=40) | s.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65_535]),
    fin=s.booleans(),
)
controls = s.builds(
    Frame,
    opcode=s.sampled_from([Opcode.PING, Opcode.PONG]),
    data=s.binary(max_size=40),
    fin=s.just(True),
)
texts = s.builds(Frame, opcode=s.just(Opcode.TEXT), data=s.binary(max_size=40), fin=s.just(True))


@given(
    said=s.lists(frames | texts | controls, max_size=6),
    cuts=s.lists(s.integers(0, 400), max_size=8),
)
def test_wherever_a_stream_is_cut_nothing_is_lost_and_whole_texts_are_known(
    said: list[Frame], cuts: list[int]
):
    encoded = [_serialized(frame) for frame in said]
    stream = b"".join(encoded)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    splitter, pieces = Frames(), []
    for start, end in pairwise(places):
        pieces += splitter.pieces(stream[start:end])

    assert b"".join(piece.data for piece in pieces) == stream
    for piece in pieces:
        if piece.payload_at:
            at = piece.payload_at
            assert piece.data in encoded
            frame = said[encoded.index(piece.data)]
            assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
            assert apply_mask(piece.data[at:], piece.data[at - 4 : at]) == frame.data


@given(said=s.lists(texts, max_size=6))
def test_what_comes_in_whole_texts_is_taken_as_such(said: list[Frame]):
    stream = b"".join(map(_serialized, said))
    assert [piece.payload_at > 0 for piece in Frames().pieces(stream)] == [True] * len(said)


@given(head=s.binary(min_size=2, max_size=14), rest=s.binary(max_size=30))
def test_any_bytes_go_on_to_the_parser_but_for_an_unfinished_head(head: bytes, rest: bytes):
    stream = head + rest
    splitter = Frames()
    told = b"".join(piece.data for piece in splitter.pieces(stream))
    assert stream.startswith(told)
    assert len(stream) - len(told) < 14


def test_long_and_unmasked_texts_are_left_to_the_parser():
    for frame in (_serialized(Frame(Opcode.TEXT, b"x" * 65_536)), b"\x81\x02hi"):
        assert [piece.payload_at for piece in Frames().pieces(frame)] == [0]


def _serialized(frame: Frame) -> bytes:
    return bytes(frame.serialize(mask=True))
