"""What tests of pages and payloads record of themselves is added up into one line."""

from tests.security.attempts import EXECUTED, PAGES, PAYLOADS, counted, line


def test_what_several_tests_recorded_is_one_line() -> None:
    recorded = [(PAGES, 1200), (PAYLOADS, 3), ("other", 5), (PAGES, 1), (EXECUTED, 0)]
    said = line(counted(recorded))
    assert said == "Tried: 1,201 pages visited, 3 payloads tried. Executed: 0."
