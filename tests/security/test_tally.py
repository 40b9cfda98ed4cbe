"""The line of `make test-security`: what it adds up, and what it calls a leak."""

from tests.security.tally import CELLS, EXECUTED, HOLES, PAGES, PAYLOADS, counted, line


def test_what_tests_tried_is_added_up_in_one_line() -> None:
    found, leaks = counted(
        [
            (True, [(CELLS, 2), (HOLES, 0)]),
            (True, [(CELLS, 1_000), (PAGES, 3), (PAYLOADS, "4"), (EXECUTED, 0)]),
            (True, [("another thing", "of pytest")]),
        ]
    )
    words = line(found, leaks)
    assert words.startswith("Tried: 0 routes, 0 kinds of person, 1,002 cells of the matrix")
    assert "3 pages visited in a browser, 4 payloads" in words
    assert words.endswith("Leaks found: 0.")


def test_each_hole_each_payload_that_ran_and_each_other_failure_is_a_leak() -> None:
    _found, leaks = counted(
        [
            (False, [(CELLS, 2), (HOLES, 1)]),
            (False, [(PAYLOADS, 9), (EXECUTED, 3)]),
            (False, []),
            (True, []),
        ]
    )
    assert leaks == 5
