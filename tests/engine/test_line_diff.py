"""Long texts line by line."""

from promotion.line_diff import MOST_LINES, line_diff


def test_equal_texts_have_no_difference() -> None:
    assert line_diff(["a", "b"], ["a", "b"]) == []
    assert line_diff([], []) == []


def test_each_change_stands_among_the_lines_around_it() -> None:
    before = [str(n) for n in range(10)]
    found = line_diff(before, [*before[:5], "new", *before[6:]])
    assert [(one.kind, one.text) for one in found] == [
        ("place", "@@ -4,5 +4,5 @@"),
        ("same", " 3"),
        ("same", " 4"),
        ("removed", "-5"),
        ("added", "+new"),
        ("same", " 6"),
        ("same", " 7"),
    ]


def test_a_long_difference_is_cut_and_says_so() -> None:
    found = line_diff([], [str(n) for n in range(MOST_LINES * 2)])
    assert len(found) == MOST_LINES + 1
    assert found[-1].text == f"Only the first {MOST_LINES} lines are shown."


def test_what_is_too_long_to_compare_is_said_to_be_so() -> None:
    [line] = line_diff(["a"] * 6_000, ["b"] * 7_000)
    assert line.text == "6,000 → 7,000 lines: too many to compare line by line."
