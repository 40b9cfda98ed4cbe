"""A build's files: names for every file system, and equal bytes for equal content."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from promotion.engine.files import as_file, file_names

ids = st.lists(st.text(min_size=1, max_size=300) | st.text("aAbB./~ :", min_size=1), unique=True)


@given(ids)
def test_each_id_has_a_name_of_its_own_on_every_file_system(found: list[str]) -> None:
    names = file_names(found)
    assert set(names) == set(found)
    assert len({name.casefold() for name in names.values()}) == len(found)
    for name in names.values():
        assert re.fullmatch(r"[A-Za-z0-9_%~-][A-Za-z0-9_.%~-]*\.json", name)
        assert len(name) < 200


def test_a_name_says_what_it_is_of() -> None:
    assert file_names(["flow-1", "page/view", "..", "Ä"]) == {
        "flow-1": "flow-1.json",
        "page/view": "page%2Fview.json",
        "..": "%2E..json",
        "Ä": "%C3%84.json",
    }
    assert len(set(file_names(["Rule", "rule"]).values())) == 2


def test_noise_and_the_order_of_keys_are_not_in_a_file() -> None:
    one = as_file("rule", "r", {"a": 1, "b": {"c": "é"}, "timestamp": "now"})
    other = as_file("rule", "r", {"b": {"c": "é"}, "timestamp": "later", "a": 1})
    assert one == other
    assert json.loads(one) == {"id": "r", "document": {"a": 1, "b": {"c": "é"}}}
    assert one.endswith(b"}\n")
    assert "é".encode() in one
