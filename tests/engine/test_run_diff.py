"""Two runs beside each other."""

from promotion.engine.run_diff import Row, Turn, compare_runs, counted


def test_what_fails_now_comes_first_and_each_test_is_told_once() -> None:
    before = {"a": "passed", "b": "failed", "c": "passed", "d": "errored", "e": "passed"}
    after = {
        "a": "passed",
        "b": "passed",
        "c": "failed",
        "d": "failed",
        "f": "passed",
        "g": "failed",
    }
    found = compare_runs(before, after)
    assert [(row.name, row.turn) for row in found] == [
        ("c", Turn.BROKEN),
        # One that is new and fails does not pass now.
        ("g", Turn.BROKEN),
        ("d", Turn.FAILS),
        ("f", Turn.NEW),
        ("e", Turn.GONE),
        ("b", Turn.FIXED),
        ("a", Turn.PASSES),
    ]
    assert found[4] == Row("e", Turn.GONE, "passed", "")
    assert counted(found) == {
        Turn.BROKEN: 2,
        Turn.FAILS: 1,
        Turn.NEW: 1,
        Turn.GONE: 1,
        Turn.FIXED: 1,
        Turn.PASSES: 1,
    }
    assert counted(compare_runs(before, before)) == {Turn.FAILS: 2, Turn.PASSES: 3}
