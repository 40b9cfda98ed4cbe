"""What is kept in memory of content that never changes, and how much."""

from promotion.engine.recent import Recent


def test_what_came_first_goes_first_when_all_is_too_much() -> None:
    kept: Recent[str, str] = Recent(6)
    kept.put("a", "1")
    kept.put("b", "22")
    assert (kept.get("a"), kept.get("b"), kept.total) == ("1", "22", 5)
    kept.put("a", "3")
    kept.put("c", "4")
    # `a` was put in again, so `b` is the oldest; each counts one more than its size.
    assert (kept.get("a"), kept.get("b"), kept.get("c"), kept.total) == ("3", None, "4", 4)


def test_what_has_no_size_is_bounded_too_and_what_is_too_large_is_not_kept() -> None:
    kept: Recent[int, str] = Recent(3)
    for n in range(10):
        kept.put(n, "")
    assert [n for n in range(10) if kept.get(n) is not None] == [7, 8, 9]
    kept.put(10, "1234")
    assert (kept.get(10), kept.total) == (None, 3)
    kept.put(11, "1")
    kept.clear()
    assert (kept.get(11), kept.total) == (None, 0)
