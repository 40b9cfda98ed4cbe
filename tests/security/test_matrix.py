"""Every address, every kind of person, every method: what tests/security/matrix.py says."""

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.security.matrix import (
    FORMS,
    KEEP_A_CHALLENGE,
    LEFT_OUT,
    OPEN,
    ROWS,
    Row,
    read_table,
)
from tests.security.tally import CELLS, HOLES, ROUTES, Record
from tests.security.tally import PERSONS as KINDS
from tests.security.world import (
    ADMINISTRATOR,
    AUDIT,
    DISABLED,
    ELSEWHERE,
    HERE,
    NOBODY,
    PERSONS,
    SESSIONS,
    World,
    ask,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
ALL_ROWS = [pytest.param(row, id=name) for name, row in ROWS.items()]
# What may be written where nothing was done: that it was refused. A sign-in is not refused.
REFUSED = {400, 403, 404, 405}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Yield all routes by name, or by pattern where one has none."""
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from routes(one, prefix + (f"{one.namespace}:" if one.namespace else ""))
        elif isinstance(one, URLPattern):
            yield f"{prefix}{one.name or one.pattern}"


def address_of(row: Row, world: World) -> str:
    args = world.things[row.thing]
    return f"/{args[0]}" if row.thing == "any" else f"{reverse(row.name, args=args)}{row.query}"


def test_every_route_has_a_row_and_every_row_a_route(record_property: Record) -> None:
    found = list(routes(get_resolver()))
    record_property(ROUTES, len(found))
    record_property(KINDS, len(PERSONS))
    assert sorted(found) == sorted(ROWS)
    assert not [
        name for name in found if name.startswith("admin:") and name.endswith(tuple(LEFT_OUT))
    ]


def test_a_row_without_a_cell_for_each_person_and_a_second_row_are_refused() -> None:
    row = "audit - 302 403 403 200 200 200"
    assert read_table(f"\n\n: x\n{row} 302")["audit"].get[DISABLED] == 302
    with pytest.raises(ValueError, match="cell for each person"):
        read_table(f"\n\n: x\n{row}")
    with pytest.raises(ValueError, match="one row"):
        read_table(f"\n\n: x\n{row} 302\n{row} 302")


def test_the_table_keeps_its_own_rules() -> None:
    granted = {
        "staging",
        "production",
        "tile",
        "flows",
        "flow",
        "build",
        "document",
        "comment",
        "suite",
    }
    granted |= {"test", "run", "result", "went", "goes", "view", "summary"}
    for row in ROWS.values():
        for person in (NOBODY, DISABLED):
            seen = {row.get[person], row.post[person]}
            assert seen == {302} or row.name in OPEN, row.name
        if row.thing in granted:
            for person in ("marketing-elsewhere", "qa-elsewhere"):
                assert {row.get[person], row.post[person]} <= {404, 405}, row.name
                assert 404 in {row.get[person], row.post[person]}, row.name


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize("row", ALL_ROWS)
def test_a_person_may_do_just_what_the_table_says(
    row: Row, person: str, world: World, request: pytest.FixtureRequest
) -> None:
    address = address_of(row, world)
    got = ask(world.browser(person), "GET", address)
    sent = ask(world.browser(person), "POST", address, FORMS.get(row.name, {}))
    right = (got.status, sent.status) == (row.get[person], row.post[person])
    request.node.user_properties += [(CELLS, 2), (HOLES, int(not right))]
    assert (got.status, sent.status) == (row.get[person], row.post[person])
    for answer in (got, sent):
        if answer.status == 403:
            assert AUDIT in answer.written, "a refusal leaves an event"
        if answer.status in REFUSED or answer is got:
            challenge = {SESSIONS} if row.name in KEEP_A_CHALLENGE else set()
            assert answer.written <= ({AUDIT} if answer.status == 403 else challenge)
        if answer.status == 302 and person in {NOBODY, DISABLED}:
            # Who is not signed in can sign out, and is led home, which asks for the sign-in.
            door = answer.location.startswith(("/login/?next=", "/account/login/"))
            assert door or row.name == "admin:logout"
            assert answer.written <= {SESSIONS}


@pytest.mark.parametrize("row", ALL_ROWS)
def test_any_other_method_is_refused_to_everybody_and_changes_nothing(
    row: Row, world: World, request: pytest.FixtureRequest
) -> None:
    for person in PERSONS:
        for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
            answer = ask(world.browser(person), method, address_of(row, world))
            assert (answer.status, answer.written) == (405, frozenset()), (person, method)
            request.node.user_properties.append((CELLS, 1))


@pytest.mark.parametrize("row", [p for p in ALL_ROWS if ROWS[str(p.id)].is_read])
def test_nothing_of_an_environment_that_was_not_granted_is_on_any_page(
    row: Row, world: World
) -> None:
    address = address_of(row, world)
    for person, other in (
        ("marketing", ELSEWHERE),
        ("qa", ELSEWHERE),
        ("marketing-elsewhere", HERE),
        ("qa-elsewhere", HERE),
    ):
        # What the address itself says is on the page that answers it.
        body = ask(world.browser(person), "GET", address).body.decode(errors="replace").casefold()
        assert other not in body.replace(address.casefold(), ""), person


def test_the_search_for_another_environments_marks_finds_what_is_there(world: World) -> None:
    body = ask(world.browser(ADMINISTRATOR), "GET", reverse("promotion:builds")).body.decode()
    assert HERE in body.casefold()
    assert ELSEWHERE in body.casefold()


@pytest.mark.parametrize("row", ALL_ROWS)
def test_a_post_without_the_token_of_a_page_changes_nothing(row: Row, world: World) -> None:
    client = world.browser(ADMINISTRATOR, enforce_csrf_checks=True)
    answer = ask(client, "POST", address_of(row, world), FORMS.get(row.name, {}))
    assert (answer.status, answer.written) == (403, frozenset())


def test_a_person_who_is_switched_off_is_signed_out_at_once(world: World) -> None:
    user = world.people["qa"]
    assert user is not None
    address = reverse("promotion:builds")
    assert ask(world.browser("qa"), "GET", address).status == 200
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    assert ask(world.browser("qa"), "GET", address).status == 302


def test_the_answer_carries_the_policy_and_no_inline_style_or_script(world: World) -> None:
    answer = world.browser(ADMINISTRATOR).get(reverse("admin:index"), secure=True)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in {part.strip() for part in policy.split(";")}
    assert "unsafe" not in policy
    body = answer.content.decode()
    assert " style=" not in body
    assert "<style" not in body
