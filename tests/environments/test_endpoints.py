"""The table of what of Tracardi's API is public."""

import pytest

from environments.endpoints import CLOSED, COLLECTOR, is_open


def test_each_sample_is_one_of_its_own_addresses() -> None:
    for one in (*COLLECTOR, *CLOSED):
        assert one.matches(one.asked_by, one.sample), one.name


def test_nothing_that_must_be_closed_is_open_too() -> None:
    for one in CLOSED:
        for method in one.methods:
            assert not is_open(method, one.sample), f"{method} {one.sample}"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/track", True),
        ("PATCH", "/track", True),
        ("GET", "/track", False),
        ("POST", "/track/", False),
        ("POST", "/tracks", False),
        ("POST", "/collect/view/source", True),
        ("GET", "/collect/view/source/session/", True),
        ("POST", "/collect/view", False),
        ("POST", "/collect/view/source/session/more", False),
        ("DELETE", "/redirect/one/session", True),
        ("GET", "/redirect", False),
        ("GET", "/tracker/index.js", True),
        ("POST", "/tracker/index.js", False),
        ("GET", "/trackers", False),
        ("POST", "/customer/consent", True),
        ("GET", "/customer", False),
        ("GET", "/", False),
        ("GET", "/flows", False),
    ],
)
def test_the_public_reaches_the_collector_alone(method: str, path: str, expected: bool) -> None:
    assert is_open(method, path) is expected
