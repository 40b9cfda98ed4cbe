"""What a person is shown of a document: everything but its secrets."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import documents
from environments.catalogue import catalogue_for
from environments.masking import MASK, masked, shown, tagged
from tests.data import configuration

REAL = [
    (resource.name, doc_id, raw)
    for resource in catalogue_for("0.8.1").promoted
    for doc_id, raw in configuration(resource.storage)
]
SIDES = ("draft", "production", "backup")


def changed(plain: Any, shown: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each leaf that differs; fail where the structure does."""
    if isinstance(plain, dict):
        assert list(plain) == list(shown)
        for key in plain:
            yield from changed(plain[key], shown[key], f"{path}.{key}")
    elif isinstance(plain, list):
        assert len(plain) == len(shown)
        for number, item in enumerate(plain):
            yield from changed(item, shown[number], f"{path}[{number}]")
    elif plain != shown:
        assert shown == MASK
        yield path


def flow(spec: Any, side: str = "production") -> dict[str, Any]:
    graph = {"flowGraph": {"nodes": [{"id": "n1", "data": {"spec": spec}}], "edges": []}}
    return {"id": "f1", "name": "A flow", side: documents.encode_field(graph)}


def shown_init(init: dict[str, Any]) -> Any:
    shown = masked("flow", flow({"className": "RemoteCallAction", "init": init}))
    return shown["production"]["flowGraph"]["nodes"][0]["data"]["spec"]["init"]


def test_of_the_real_documents_only_the_secrets_are_masked_and_all_structure_is_kept() -> None:
    places = {
        f"{name}{path}"
        for name, _, raw in REAL
        for source in [documents.parse(raw)]
        for path in changed(documents.decoded(name, source), masked(name, source))
    }
    of_resources = {place for place in places if place.startswith("resource.")}
    assert all(place.startswith("resource.credentials.") for place in of_resources)
    body = "flowGraph.nodes[1].data.spec.init.body"
    assert places - of_resources == {
        "destination.destination.init.headers.X-Api-Key",
        *(f"flow.{side}.{body}.{leaf}" for side in SIDES for leaf in ("type", "content")),
        *("setting.content.a", "setting.config.currency", "setting.content.field"),
    }


def test_no_credential_of_a_real_document_is_shown_and_the_document_itself_stays() -> None:
    sources = [(name, documents.parse(raw)) for name, _, raw in REAL]
    shown = json.dumps([masked(name, source) for name, source in sources])
    assert not re.search("PROD-secret|test-secret|999:PROD|000:TEST|dest-header-secret", shown)
    assert sources == [(name, documents.parse(raw)) for name, _, raw in REAL]


secrets = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=20).map(
    "planted".__add__
)
# Any structure with the planted text in it somewhere.
keys = st.text(max_size=8)
fillers = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


def around(planted: str) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.just(planted) | st.just(f"Bearer {planted}") | st.just(json.dumps({"x": planted})),
        lambda inner: (
            st.tuples(st.lists(fillers, max_size=2), inner).map(lambda pair: [*pair[0], pair[1]])
            | st.tuples(st.dictionaries(keys, fillers, max_size=2), keys, inner).map(
                lambda three: {**three[0], three[1]: three[2]}
            )
        ),
        max_leaves=4,
    )


planted = secrets.flatmap(lambda word: st.tuples(st.just(word), around(word)))
TELLING = """
password token key secret authorization credential cookie credentials headers body apiKey api_key
X-Api-Key private_key accessKeyId AUTH_TOKEN client-secret botToken webhook auth jwt secretKeys
request_body httpHeaders pwd dsn
"""
telling_keys = st.sampled_from(TELLING.split())


@given(planted, st.sampled_from(SIDES), st.sampled_from(("production", "test", "other")))
def test_a_remote_plugins_credentials_are_never_shown(
    secret: tuple[str, Any], side: str, which: str
) -> None:
    word, value = secret
    server = {"credentials": {which: value}, "resource": {"id": "res-1", "name": "Server"}}
    plugin = {"id": "p", "name": "Plugin", "resource": {"anything": value}}
    shown = masked("flow", flow({"microservice": {"server": server, "plugin": plugin}}, side))
    assert word not in json.dumps(shown)
    kept = shown[side]["flowGraph"]["nodes"][0]["data"]["spec"]["microservice"]
    assert kept["server"]["resource"] == server["resource"]
    assert kept["plugin"]["name"] == "Plugin"


@given(planted, st.sampled_from(SIDES), telling_keys, st.booleans())
def test_a_secret_in_a_nodes_settings_is_never_shown(
    secret: tuple[str, Any], side: str, key: str, as_text: bool
) -> None:
    word, value = secret
    held: Any = {"deep": [{key: value}]}
    init = {"options": json.dumps(held) if as_text else held, "timeout": 30}
    shown = masked("flow", flow({"init": init}, side))
    assert word not in json.dumps(shown)
    assert shown[side]["flowGraph"]["nodes"][0]["data"]["spec"]["init"]["timeout"] == 30


@given(planted, st.sampled_from(("production", "test")), st.booleans())
def test_a_resources_credentials_are_never_shown(
    secret: tuple[str, Any], which: str, encoded: bool
) -> None:
    word, value = secret
    credentials: Any = {which: {"url": value}}
    field = documents.encode_field(credentials) if encoded else credentials
    shown = masked("resource", {"credentials": field, "name": "CRM"})
    assert word not in json.dumps(shown)
    assert list(shown["credentials"]) == [which]
    assert shown["name"] == "CRM"


@given(planted, st.sampled_from(("headers", "cookies", "password", "api_key")), st.booleans())
def test_a_destinations_headers_are_never_shown(
    secret: tuple[str, Any], key: str, of_resource: bool
) -> None:
    word, value = secret
    inner = documents.encode_field({"package": "a.b.C", "init": {"timeout": 3, key: value}})
    resource = "resource" if of_resource else "destination"
    shown = masked(resource, {"destination": inner})
    assert word not in json.dumps(shown)
    assert shown["destination"] | {"init": 0} == {"package": "a.b.C", "init": 0}


@given(planted, st.sampled_from(("content", "config")))
def test_a_settings_content_is_never_shown(secret: tuple[str, Any], field: str) -> None:
    word, value = secret
    assert word not in json.dumps(masked("setting", {field: value, "name": "Bucket"}))


@given(planted, st.sampled_from([name for name, _, _ in REAL]), telling_keys)
def test_a_telling_key_is_masked_in_every_kind_of_document(
    secret: tuple[str, Any], resource: str, key: str
) -> None:
    word, value = secret
    shown = masked(resource, {"init": {key: value}, "tags": ["a"]})
    assert word not in json.dumps(shown)
    assert shown["tags"] == ["a"]


PACKED = documents.encode_field("s3cret")
ENCODED = [(r, f) for r, fields in documents.ENCODED_FIELDS.items() for f in fields]


@pytest.mark.parametrize(("resource", "field"), ENCODED)
@pytest.mark.parametrize("value", ["a s3cret", "sécret", "czNjcmV0", PACKED, PACKED[:-12]])
def test_a_field_that_cannot_be_decoded_or_read_is_masked_as_a_whole(
    resource: str, field: str, value: str
) -> None:
    shown = masked(resource, {field: value, "name": "Kept"})
    assert "s3cret" not in json.dumps(shown)
    assert value not in json.dumps(shown, ensure_ascii=False)
    assert shown["name"] == "Kept"


def test_a_field_too_large_or_too_deep_is_masked_and_not_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert masked("event-source", {"config": deep, "id": "a"}) == {"config": MASK, "id": "a"}
    monkeypatch.setattr(documents, "MAX_DECODED_BYTES", 100)
    bomb = documents.encode_field({"x": "y" * 500})
    assert masked("report", {"query": bomb, "id": "a"}) == {"query": MASK, "id": "a"}


@pytest.mark.parametrize(
    "address",
    [
        "https://crm.example.com/v2/hooks/order-created",
        "/webhooks/orders/v2",
        "/webhook/abandoned_cart_recovery_letter",
        "https://shop.example.com/hooks-and-loops/article-12345678",
        "https://shop.example.com/webhook?page=2",
        "https://shop.example.com/blog/what-a-webhook-is/2024-01-31",
    ],
)
def test_an_address_without_a_secret_is_read_as_it_is_written(address: str) -> None:
    assert shown_init({"endpoint": address})["endpoint"] == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/sale", "https://shop.example/sale"),
        (
            "https://shop.example/sale?utm_source=mail&utm_campaign=May",
            "https://shop.example/sale?utm_source=mail&utm_campaign=May",
        ),
        (
            "https://shop.example/in?id=s3cret&UTM_source=mail&x=a=s3cret;y=#s3cret",
            f"https://shop.example/in?id={MASK}&UTM_source=mail&x={MASK};y=#{MASK}",
        ),
        ("https://shop.example/?s3cret", f"https://shop.example/?{MASK}"),
        ("https://shop.example/?a=b&token=s3cret", MASK),
        ("https://hooks.zapier.com/hooks/catch/1/s3cret", MASK),
        ("", ""),
    ],
)
def test_of_a_redirects_address_what_it_hands_over_is_masked(url: str, expected: str) -> None:
    assert masked("event-redirect", {"url": url, "name": "May"}) == {"url": expected, "name": "May"}


def test_references_and_ordinary_settings_stay_readable() -> None:
    init = {
        "source": {"id": "res-crm-api", "name": "CRM REST API"},
        "token_resource": {"id": "res-2", "name": "Token"},
        "consent_ids": [{"id": "marketing", "name": "Marketing"}],
        "endpoint": "/contacts?page=2",
        "message": "Hello {{profile@data.contact.name}}",
        "condition": "profile@traits.token == event@properties.token",
        "properties": '{"total": 3, "author": "x"}',
        "keywords": ["a"],
        "options": [{"name": "colour", "value": "red"}],
        "log": False,
        "timeout": 30,
        "requires_token": True,
        "password": "",
        "headers": {},
    }
    assert shown_init(init) == init


def test_json_in_a_text_keeps_its_structure() -> None:
    shown = shown_init({"properties": '{"total": 3, "token": "s3cret", "none": null}'})
    assert json.loads(shown["properties"]) == {"total": 3, "token": MASK, "none": None}


@pytest.mark.parametrize(
    "text",
    [
        "https://user:s3cret@crm.example.com/",
        "https://crm.example.com/?key=s3cret",
        "call with password=s3cret",
        'the header \\"X-Token\\": \\"s3cret\\"',
        '{"Authorization": {{s3cret}}}',
        '{"headers": {"a": "s3cret"}, "n": {{n}}}',
        '{"token": "s3cret", "token": ""}',
        "Authorization: Basic czNjcmV0OnMzY3JldA== s3cret",
        "-----BEGIN RSA PRIVATE KEY-----\ns3cret",
        "https://hooks.slack.com/services/s3cret",
        "https://hooks.zapier.com/hooks/catch/123456/s3cret/",
        "post it to https://hook.eu1.make.com/s3cret",
        "https://hook.integromat.com/s3cret",
        "https://acme.webhook.office.com/webhookb2/s3cret",
        "https://outlook.office.com/webhook/s3cret",
        "https://maker.ifttt.com/trigger/bought/with/key/s3cret",
        "https://webhook.site/s3cret",
        "https://n8n.example.com/webhook/s3cret-4f9a-11ee-be56",
        "https://api.example.com/v2/hooks/catch/team/s3cret0123456789",
        "/hook/s3cretabcdefghijklmnopq",
        documents.encode_field({"a": "s3cret"}) + " s3cret",
    ],
)
def test_a_text_that_gives_itself_away_is_masked_whatever_its_key_is(text: str) -> None:
    assert "s3cret" not in json.dumps(shown_init({"message": text}))
    assert "s3cret" not in json.dumps(masked("content", {"text": text}))


@pytest.mark.parametrize("label", ["name", "key", "id", "field"])
def test_a_secret_as_a_pair_of_name_and_value_is_masked(label: str) -> None:
    shown = shown_init({"options": [{label: "X-Token", "value": "s3cret"}]})
    assert shown["options"][0]["value"] == MASK


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('event@properties.token == "s3cret"', f'event@properties.token == "{MASK}"'),
        ('event@properties.auth.value!="s3cret"', f'event@properties.auth.value!="{MASK}"'),
        ("profile@traits.apiKey CONTAINS 's3cret'", f"profile@traits.apiKey CONTAINS '{MASK}'"),
        ('payload@key starts with "s3cret"', f'payload@key starts with "{MASK}"'),
        (
            'memory@jwt BETWEEN "s3cret" AND "s3crets" AND event@a == "b"',
            f'memory@jwt BETWEEN "{MASK}" AND "{MASK}" AND event@a == "b"',
        ),
        (
            'lowercase(event@properties.password) == lowercase("s3cret")',
            f'lowercase(event@properties.password) == lowercase("{MASK}")',
        ),
        ('profile@pin == ["s3cret", "s3"]', f'profile@pin == ["{MASK}", "{MASK}"]'),
        ("profile@traits.pin == 0000", f"profile@traits.pin == {MASK}"),
        ('event@properties.token == "s3cret', f'event@properties.token == "{MASK}"'),
        ('event@properties.token == "s3cret\\', f'event@properties.token == "{MASK}"'),
        ('event@x["token"] === "a \\" s3cret"', f'event@x["token"] === "{MASK}"'),
        ('a == 1 OR event@token == "s3cret"', f'a == 1 OR event@token == "{MASK}"'),
        ('a == \'b OR event@token == "s3cret"', f'a == \'b OR event@token == "{MASK}"'),
        ('{"n": {{n}}, "if": "a == \\"x\\" AND pin == \\"s3cret\\""}', None),
        ('{"n": {{n}}, "if": "key == \\"s3cret\\""}', None),
    ],
)
def test_what_a_secret_field_is_compared_with_is_masked_and_the_rest_stays(
    condition: str, expected: str | None
) -> None:
    told = shown_init({"when": condition})["when"]
    assert "s3cret" not in told
    assert "0000" not in told
    assert expected in (told, None)
    assert masked("segment", {"x": condition})["x"] == told


@pytest.mark.parametrize(
    "condition",
    [
        "profile@traits.token == event@properties.token",
        'event@type == "password-reset" AND profile@traits.plan != "token"',
        'event@properties.token == ""',
        "event@properties.token EXISTS AND profile@stats.visits > 3",
        "profile@traits.password_length >= 8",
        'event@properties.keywords CONTAINS "shoes"',
    ],
)
def test_a_condition_without_a_secret_is_read_as_it_is_written(condition: str) -> None:
    assert shown_init({"condition": condition})["condition"] == condition


def test_of_two_conditions_a_tag_tells_whether_the_secret_is_the_same() -> None:
    hide = tagged(b"a key of this test")
    one, same, other = (
        masked("segment", {"condition": f'event@token == "{word}"'}, hide)["condition"]
        for word in ("a", "a", "b")
    )
    assert one == same != other
    assert shown(one) == shown(other) == f'event@token == "{MASK}"'


def test_a_long_text_is_looked_through_in_no_time() -> None:
    for text in (
        "token" + " " * 90_000,
        "token.a" * 20_000,
        'token == "' * 20_000,
        "=\\" * 50_000,
        "a.b == 'x" * 20_000,
        'a == ",' * 20_000,
    ):
        begun = time.monotonic()
        masked("content", {"text": text})
        assert time.monotonic() - begun < 2
