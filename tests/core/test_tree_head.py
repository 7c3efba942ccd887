import pytest

from roomlog.core.signed_note import NoteError, parse_note
from roomlog.core.tree_head import TreeHead, parse_tree_head

# The example of C2SP tlog-checkpoint.
_EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcy"
    "v2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


def test_the_example_of_the_specification_is_read_and_written_as_it_is():
    note = parse_note(_EXAMPLE.encode())
    head = parse_tree_head(note.text)

    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.root.hex().startswith("0ac5186a9186")
    assert head.text() == note.text
    assert head.extensions == ()


def test_extension_lines_are_kept():
    head = TreeHead("origin", 0, b"\x00" * 32, ("one", "two"))

    assert parse_tree_head(head.text()) == head


_ROOT = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"origin\n1\n{_ROOT}",
        f"origin\n1\n{_ROOT}\n\n",
        f"\n1\n{_ROOT}\n",
        f"origin\n01\n{_ROOT}\n",
        f"origin\n-1\n{_ROOT}\n",
        f"origin\n+1\n{_ROOT}\n",
        f"origin\n\u0661\n{_ROOT}\n",
        f"origin\n{2**63}\n{_ROOT}\n",
        f"origin\n{'9' * 5000}\n{_ROOT}\n",
        "origin\n1\nAAAA\n",
        f"origin\n1\n{_ROOT[:-2]}B=\n",
        "origin\n1\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str):
    with pytest.raises(NoteError):
        parse_tree_head(text)
