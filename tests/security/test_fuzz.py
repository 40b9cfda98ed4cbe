"""Rubbish in every address and form: an answer below 500, and nothing kept of what is refused.

Each example is asked as administrator and as QA. The engine answers nothing here, which is told by
503; tests/security/test_fuzz_engine.py has one that does.
"""

from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security.matrix import ROWS, Row
from tests.security.rubbish import (
    PARAMETERS,
    PATHS,
    SENT,
    TEXT,
    Forms,
    encoded,
    filled,
)
from tests.security.tally import FUZZED
from tests.security.world import ADMINISTRATOR, AUDIT, SESSIONS, Answer, World, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
ALL_ROWS = [pytest.param(row, id=name) for name, row in ROWS.items()]
PERSONS: Final = (ADMINISTRATOR, "qa")
# How many examples of a route: the same few each time, or others each time.
SHORT: Final = settings(max_examples=5, derandomize=True, database=None)
LONG: Final = settings(max_examples=25, database=None)
CALM: Final = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


FormsByAddress = dict[str, dict[str, list[str]]]
_forms: Final[dict[int, FormsByAddress]] = {}


@pytest.fixture
def forms(world: World, plain_static_files: None) -> FormsByAddress:
    """Return the fields of all forms with what they hold on the page, by the form's address."""
    if id(world) in _forms:
        return _forms[id(world)]
    found = _forms.setdefault(id(world), {})
    for row in ROWS.values():
        if row.is_read and row.thing != "any":
            address = reverse(row.name, args=world.things[row.thing])
            for person in PERSONS:
                answer = ask(world.browser(person), "GET", f"{address}{row.query}")
                parser = Forms(address)
                parser.feed(answer.body.decode(errors="replace"))
                for where, fields in parser.found.items():
                    found.setdefault(where, {}).update(fields)
    return found


def sound(answer: Answer, method: str) -> bool:
    """Answer whether a request was answered as it must be, whatever it held."""
    if answer.status >= 500 and answer.status != 503:
        return False
    if method == "GET" or 400 <= answer.status < 500:
        return answer.written <= {AUDIT, SESSIONS}
    return True


def test_the_fields_of_forms_are_found(forms: FormsByAddress) -> None:
    names = {name for fields in forms.values() for name in fields}
    assert {"verdict", "content", "comment", "lines", "agree", "plan", "text"} <= names
    assert {"username", "environments", "new_secret", "tenant"} <= names
    assert len(forms) > 25
    assert {"id", "before", "against", "session", "around", "verdict", "q"} <= set(PARAMETERS)
    assert {"resolved", "reason", "minutes", "version", "ticked", "tests"} <= set(SENT)
    assert set(PATHS) == set(ROWS)


def send(
    row: Row,
    world: World,
    forms: FormsByAddress,
    drawn: st.DataObject,
) -> int:
    """Ask one route with rubbish in its path, in its query, and in its form, as each person."""
    right = [str(one) for one in world.things[row.thing]]
    where = filled(row.name, right) if row.thing != "any" else "/no/such/page"
    wrong = [drawn.draw(st.one_of(TEXT, st.just(one))) for one in right]
    pairs = drawn.draw(st.lists(st.tuples(st.sampled_from(PARAMETERS), TEXT), max_size=4))
    query = "&".join(f"{name}={encoded(value)}" for name, value in pairs)
    held = forms.get(where, {})
    known = st.one_of(st.sampled_from(sorted(held) or SENT), st.sampled_from(SENT))
    data: dict[str, Any] = {name: list(values) for name, values in held.items()}
    for name, values in drawn.draw(
        st.lists(st.tuples(known, st.lists(TEXT, max_size=3)), max_size=4)
    ):
        data[name] = values
    if row.name == "promotion:import-tests":
        raw = drawn.draw(st.one_of(st.binary(max_size=200), TEXT.map(_raw)))
        data["tests"] = SimpleUploadedFile(drawn.draw(TEXT)[:50] or "x", raw)
    # A body is text in UTF-8, or is no text at all.
    sent = {n: [_whole(v) for v in vs] if isinstance(vs, list) else vs for n, vs in data.items()}
    asked = 0
    for person in PERSONS:
        for method, address, body in (
            ("GET", f"{where}?{query}", None),
            ("GET", filled(row.name, wrong), None),
            ("POST", f"{where}?{query}", sent),
            ("POST", filled(row.name, wrong), sent),
        ):
            answer = ask(world.browser(person), method, address, body)
            assert sound(answer, method), (person, method, address, answer.status, answer.written)
            asked += 1
    return asked


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _whole(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def fuzz(
    row: Row,
    world: World,
    forms: FormsByAddress,
    request: pytest.FixtureRequest,
    how: settings,
) -> None:
    asked = 0

    @settings(how, suppress_health_check=CALM)
    @given(st.data())
    def one(drawn: st.DataObject) -> None:
        nonlocal asked
        asked += send(row, world, forms, drawn)

    one()
    request.node.user_properties.append((FUZZED, asked))
    assert asked


@pytest.mark.parametrize("row", ALL_ROWS)
def test_rubbish_is_answered_and_what_is_refused_changes_nothing(
    row: Row,
    world: World,
    forms: FormsByAddress,
    request: pytest.FixtureRequest,
) -> None:
    fuzz(row, world, forms, request, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("row", ALL_ROWS)
def test_much_rubbish_is_answered_too(
    row: Row,
    world: World,
    forms: FormsByAddress,
    request: pytest.FixtureRequest,
) -> None:
    fuzz(row, world, forms, request, LONG)
