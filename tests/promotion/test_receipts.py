"""What a promotion leaves as proof, and that nobody can change it unseen."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from pytest_django import Settings

from environments.elastic import connect
from environments.models import Environment
from promotion.engine.errors import Mismatch
from promotion.engine.receipt import problems
from promotion.live import finish
from promotion.models import Promotion
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.receipts import is_signed, issued
from promotion.writer import ClusterWriter
from tests.factories import People, approved, edit_past_the_block, enter
from tests.promotion.conftest import Put, Ship

pytestmark = pytest.mark.django_db(transaction=True)
Facts = dict[str, Any]


@pytest.fixture
def receipt(put: Put, ship: Ship) -> Facts:
    """The receipt of a promotion that changed one segment, as it is downloaded."""
    put("segment", "new", '{"name": "New"}')
    made = ship()
    made.refresh_from_db()
    found = issued(made)
    assert found is not None
    return dict(json.loads(json.dumps(found)))


def test_a_receipt_says_what_was_done_by_whom_and_is_proved(receipt: Facts) -> None:
    assert problems(receipt, is_signed) == []
    assert (receipt["kind"], receipt["status"]) == ("promote", "succeeded")
    assert receipt["asked"]["by"] == "administrator"
    assert receipt["approved"]["by"] == "qa"
    assert receipt["approved"]["content"] == receipt["build"]["content"]
    before, after = receipt["generations"]["before"], receipt["generations"]["after"]
    assert (before["number"], after["number"]) == (1, 2)
    assert [step["name"] for step in receipt["steps"]] == ["cutover", "verify", "receipt"]
    protected = receipt["protected"]
    assert protected["before"] == protected["after"] != {}
    # Nobody visited: no document of theirs was touched, and there are numbers that prove it.
    assert protected["writes"]["before"] == protected["writes"]["after"] != {}
    assert protected["written"] == []


def test_a_receipt_tells_what_visitors_wrote_to_meanwhile(
    people: People, put: Put, staging: Environment, adopted: Environment
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    switched = promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    events = adopted.naming.partition("event", "2026-11")
    connect(adopted.cluster).request("PUT", f"/{events}/_doc/visit", body={})
    made = finish(switched)
    made.refresh_from_db()
    found = issued(made)
    assert found is not None
    assert found["protected"]["written"] == [events]
    assert "visitors wrote to 1 of them" in made.steps.get(name="receipt").detail
    assert problems(found, is_signed) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.update(status="failed"), "digest does not fit"),
        (lambda r: r["asked"].update(by="somebody else"), "digest does not fit"),
        (lambda r: r["steps"].pop(), "digest does not fit"),
        (lambda r: r.update(signature="0" * 64), "not signed by this console"),
        (lambda r: r.update(digest="0" * 64), "not signed by this console"),
    ],
)
def test_what_was_changed_is_noticed(receipt: Facts, change: Any, words: str) -> None:
    change(receipt)
    assert words in " ".join(problems(receipt, is_signed))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["plan"].update(number=9), "not the one of the plan's digest"),
        (lambda r: r["steps"].pop(1), "without the step verify"),
        (lambda r: r["build"].update(content="0" * 64), "not the content of the build"),
        (lambda r: r["protected"]["after"].popitem(), "does not follow from their UUIDs"),
        (lambda r: r["protected"].update(written=["any"]), "follow from the sequence numbers"),
    ],
)
def test_what_contradicts_itself_is_noticed_whoever_signed_it(
    receipt: Facts, change: Any, words: str
) -> None:
    change(receipt)
    assert words in " ".join(problems(receipt, lambda _digest, _signature: True))


def test_another_consoles_key_is_not_ours_and_an_earlier_one_is(
    receipt: Facts, settings: Settings
) -> None:
    earlier = settings.SECRET_KEY
    settings.SECRET_KEY = "another console's key, which is long enough for Django to accept"
    assert problems(receipt, is_signed) == ["It was not signed by this console."]
    settings.SECRET_KEY_FALLBACKS = [earlier]
    assert problems(receipt, is_signed) == []


def test_a_promotion_that_failed_has_a_receipt_that_says_so(
    people: People, put: Put, staging: Environment, adopted: Environment
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    switched = promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    assert switched.made is not None
    index = switched.made.resources["segment"].index
    writer = ClusterWriter(connect(adopted.cluster))
    edit_past_the_block(writer, index, "edited", b'{"name": "By hand"}')
    with pytest.raises(Mismatch):
        finish(switched)
    switched.refresh_from_db()
    found = issued(switched)
    assert found is not None
    assert problems(found, is_signed) == []
    assert (found["status"], found["generations"]["after"]) == ("failed", None)
    # It was swapped back before anybody looked at the protected indices again.
    assert found["protected"]["before"]
    assert found["protected"]["after"] is None


def run(*arguments: str) -> int:
    try:
        call_command("verify-receipt", *arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_checks_a_file(
    receipt: Facts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))
    assert run(str(file)) == 0
    assert "signed by this console, and consistent" in capsys.readouterr().out
    assert run(str(file), "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"
    file.write_text(json.dumps({**receipt, "status": "aborted"}))
    assert run(str(file), "--json") == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"format": 2}', '{"format": 1}', '{"format": 1, "x": NaN}', "[" * 10_000],
)
def test_rubbish_is_bad_input(text: str, tmp_path: Path) -> None:
    file = tmp_path / "rubbish"
    file.write_text(text)
    assert run(str(file)) == 2
    assert run(str(tmp_path / "nowhere")) == 2


def test_it_is_downloaded_from_the_promotions_page(
    receipt: Facts, people: People, plain_static_files: None
) -> None:
    made = Promotion.objects.get(kind="promote")
    address = reverse("promotion:receipt", args=[made.pk])
    for actor, status in ((people.admin, 200), (people.qa, 200), (people.marketing, 403)):
        client = enter(actor.user)
        answer = client.get(address, secure=True)
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == receipt
            assert "attachment" in answer["Content-Disposition"]
            assert address in client.get(made_page(made), secure=True).content.decode()


def made_page(made: Promotion) -> str:
    return reverse("promotion:promotion", args=[made.pk])
