"""What is sent is bounded: each bound has a clear answer, and nothing is changed beyond it."""

import html
import time
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from accounts.models import User
from environments.models import Environment
from promotion.models import Suite, SuiteTest
from promotion.suite_forms import MOST_BYTES, MOST_FILES
from tests.console.shops import keep
from tests.factories import enter
from tracardi_console.errors import BAD, TOO_LONG, TOO_MUCH, Words
from tracardi_console.middleware import LARGEST_BODY, LONGEST_QUERY

pytestmark = pytest.mark.django_db
MIB = 1024 * 1024
FILE = "name: {}\nsource: s\nevents: [{{type: a}}]\nexpect: {{flows: [a]}}\n"


@pytest.fixture
def suite(shop: Environment, qa: User) -> Suite:
    return Suite.objects.create(environment=shop, name="Shop", made_by=qa)


@pytest.fixture
def client(qa: User, plain_static_files: None) -> Client:
    made = enter(qa)
    made.raise_request_exception = False
    return made


def is_page(answer: object, words: Words, status: int) -> None:
    assert getattr(answer, "status_code", 0) == status
    text = html.unescape(getattr(answer, "content", b"").decode())
    assert words.what in text
    assert words.todo in text


# --- Whatever is sent ----------------------------------------------------------------------------


def test_a_large_form_is_refused(client: Client) -> None:
    path, form = reverse("promotion:new-suite"), "application/x-www-form-urlencoded"
    for size in (MIB + 1, LARGEST_BODY + 1):
        parts = client.post(path, {"name": "n" * size}, secure=True)
        is_page(parts, TOO_MUCH, 413)
        plain = client.post(path, b"name=" + b"n" * size, content_type=form, secure=True)
        is_page(plain, TOO_MUCH, 413)
    assert not Suite.objects.exists()


def test_nobody_has_to_sign_in_to_be_refused_what_is_too_large(plain_static_files: None) -> None:
    """Files are else kept on the disk, before it is asked who sends them."""
    nobody = Client(enforce_csrf_checks=True)
    for path in (reverse("account_login"), "/", "/nowhere/"):
        file = SimpleUploadedFile("a.yaml", b"#" * LARGEST_BODY)
        is_page(nobody.post(path, {"tests": file}, secure=True), TOO_MUCH, 413)


def test_a_body_of_another_kind_is_not_read(client: Client) -> None:
    for kind in ("application/json", "text/plain", "application/xml", "application/octet-stream"):
        path = reverse("promotion:new-suite")
        answer = client.post(path, b"[" * MIB, content_type=kind, secure=True)
        # An empty form, whose errors are shown.
        assert answer.status_code in {200, 400}, kind
    assert not Suite.objects.exists()


@pytest.mark.parametrize("length", ["-1", "1e9", "x", "9" * 5000, "1_000", "\u0661"])
def test_a_length_that_is_none_is_refused(client: Client, length: str) -> None:
    answer = client.get("/", CONTENT_LENGTH=length, secure=True)
    is_page(answer, *((TOO_MUCH, 413) if length.startswith("9") else (BAD, 400)))


def test_too_many_fields_are_refused(client: Client, suite: Suite) -> None:
    fields = {f"only{n}": "x" for n in range(1001)}
    for path in (
        reverse("promotion:run-suite", args=[suite.pk]),
        reverse("promotion:new-suite"),
        reverse("promotion:new-test", args=[suite.pk]),
    ):
        is_page(client.post(path, fields, secure=True), TOO_MUCH, 413)


def test_a_form_with_a_billion_rows_has_as_many_as_were_sent(client: Client, suite: Suite) -> None:
    path = reverse("promotion:new-test", args=[suite.pk])
    huge = {
        f"{form}-{name}": "999999999"
        for form in ("event", "expect")
        for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MAX_NUM_FORMS")
    }
    started = time.monotonic()
    answer = client.post(path, huge | {"name": "n"}, secure=True)
    assert answer.status_code == 400
    assert time.monotonic() - started < 20
    assert not SuiteTest.objects.exists()


@pytest.mark.parametrize("path", ["/", "/audit/", "/builds/", "/promotions/", "/nowhere/"])
def test_a_long_query_is_refused(client: Client, path: str) -> None:
    is_page(client.get(path, {"q": "x" * LONGEST_QUERY}, secure=True), TOO_LONG, 414)
    # One that is read, and too long for the filter, leaves all in.
    answer = client.get(path, {"q": "x" * 4000, "page": "9" * 3000}, secure=True)
    assert answer.status_code in {200, 404}


def test_a_query_of_many_fields_is_refused(client: Client) -> None:
    answer = client.get(f"/audit/?{'a&' * 1500}", secure=True)
    is_page(answer, TOO_MUCH, 413)


# --- Files ---------------------------------------------------------------------------------------


Send = Callable[..., tuple[int, str]]


@pytest.fixture
def send(client: Client, suite: Suite) -> Send:
    """Import files, and return the status and the words."""

    def post(*texts: bytes) -> tuple[int, str]:
        files = [SimpleUploadedFile(f"{n}.yaml", text) for n, text in enumerate(texts)]
        answer = client.post(
            reverse("promotion:import-tests", args=[suite.pk]),
            {"version": suite.version, "tests": files},
            secure=True,
        )
        return answer.status_code, html.unescape(answer.content.decode())

    return post


def test_what_fits_is_taken(send: Send) -> None:
    assert send(FILE.format("one").encode())[0] == 302
    assert SuiteTest.objects.count() == 1


def test_files_beyond_each_bound_are_errors_of_the_form(send: Send) -> None:
    small, part = b"# x", b"#" * (256 * 1024)
    for texts, words in (
        ([small] * (MOST_FILES + 1), f"More than {MOST_FILES} files at once. Nothing was taken."),
        ([part + b"#"], "0.yaml is larger than 256 KiB. Nothing was taken."),
        ([part] * (MOST_BYTES // len(part)) + [small], "larger than 1024 KiB together. Nothing"),
    ):
        status, text = send(*texts)
        assert status == 400
        assert words in text
    assert not SuiteTest.objects.exists()


def test_files_beyond_what_a_request_may_have_are_refused_before_the_form(send: Send) -> None:
    for texts in ([b"x"] * 201, [b"#" * LARGEST_BODY]):
        status, text = send(*texts)
        assert status == 413
        assert TOO_MUCH.what in text
    assert not SuiteTest.objects.exists()


LINES = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))
BOMBS: dict[str, str | bytes] = {
    "a billion laughs": f"a0: &a0 [x]\n{LINES}\n",
    "a merge of itself": "a: &a\n  <<: *a\n",
    "a list of itself": "&a [*a]",
    "a nest of lists": "[" * 250_000,
    "a nest of maps": "{a: " * 50_000,
    "an object": "!!python/object/apply:os.system [id]",
    "a long number": "name: " + "9" * 200_000,
    "a long number of another base": "name: 0b" + "1" * 200_000,
    "sixty times sixty": "name: " + "59:" * 50_000 + "59",
    "half a character": b"name: \xff\xfe",
    "zeros": b"\0" * 1000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_file_is_a_bomb(send: Send, bomb: str) -> None:
    raw = BOMBS[bomb]
    started = time.process_time()
    status, text = send(raw if isinstance(raw, bytes) else raw.encode())
    assert time.process_time() - started < 10
    assert status == 400
    assert "0.yaml: " in text
    assert len(text) < 200_000
    assert not SuiteTest.objects.exists()


@bounded(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.one_of(st.binary(max_size=200), st.text("{}[]&*!<>:,-?|'\"\n ax0.", max_size=120)))
def test_no_file_is_an_error_of_the_console(send: Send, raw: bytes | str) -> None:
    status, _text = send(raw if isinstance(raw, bytes) else raw.encode())
    assert status == 400


# --- JSON in fields ------------------------------------------------------------------------------


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def written(suite: Suite, properties: str, value: str) -> dict[str, object]:
    """Return what the form of a test sends."""
    return {
        "name": "n",
        "source": "s",
        "profile": "new",
        "version": suite.version,
        **{f"{form}-TOTAL_FORMS": "1" for form in ("event", "expect")},
        **{f"{form}-INITIAL_FORMS": "0" for form in ("event", "expect")},
        "event-0-type": "a",
        "event-0-properties": properties,
        "expect-0-kind": "traits",
        "expect-0-subject": "a",
        "expect-0-value": value,
    }


def test_json_that_fits_is_taken(client: Client, suite: Suite) -> None:
    path = reverse("promotion:new-test", args=[suite.pk])
    assert client.post(path, written(suite, nested(5), "7"), secure=True).status_code == 302
    assert SuiteTest.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 20_000,
        '{"a": ' + "9" * 100_000 + "}",
        '{"a": NaN}',
        '{"a": 1e999}',
        *(nested(depth) for depth in range(100, 1000, 100)),
    ],
    ids=lambda text: f"{text[:6]} {len(text)}",
)
def test_no_json_of_a_field_is_an_error_of_the_console(
    client: Client, suite: Suite, text: str
) -> None:
    path = reverse("promotion:new-test", args=[suite.pk])
    for fields in (written(suite, text, "7"), written(suite, "", text)):
        answer = client.post(path, fields, secure=True)
        assert answer.status_code in {302, 400}
        for page in (path, reverse("promotion:suite", args=[suite.pk])):
            assert client.get(page, secure=True).status_code == 200
        for kept in SuiteTest.objects.all():
            page = reverse("promotion:test", args=[suite.pk, kept.pk])
            assert client.get(page, secure=True).status_code == 200
        suite.refresh_from_db()


def test_no_choice_of_a_composition_is_a_bomb(client: Client, shop: Environment) -> None:
    build = keep(shop, {"a": "A"})
    path = reverse("promotion:compose", args=[shop.slug, build.number])
    long = "9" * 100_000
    for state in ("[" * 200_000, f"[[],[],{long}]", '{"a":' * 1000, "null", "[1,2,3]"):
        answer = client.post(path, {"state": state, "step": "choose"}, secure=True)
        assert answer.status_code < 500
