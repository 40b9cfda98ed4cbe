"""What a person may answer, and what is refused in words."""

from collections.abc import Callable
from typing import Any

import pytest

from environments.recipes import reading
from environments.recipes.answers import conflicts
from environments.recipes.reading import BadAnswerError
from tests.recipes.samples import SAMPLE, sample
from tests.recipes.tally import Properties, counted, line


@pytest.mark.parametrize(
    ("read", "text", "found"),
    [
        (reading.networks, "10.9.0.0/24, fd00:9::/64", ("10.9.0.0/24", "fd00:9::/64")),
        (reading.networks, "10.9.0.0/24 10.9.0.128/25\n10.9.1.0/24", ("10.9.0.0/23",)),
        (reading.networks, "192.0.2.7", ("192.0.2.7/32",)),
        (reading.addresses, "10.1.0.11;FD00:1::11 10.1.0.11", ("10.1.0.11", "fd00:1::11")),
        (reading.addresses, "", ()),
        (reading.engine_url, "http://10.2.0.12:9200/", "http://10.2.0.12:9200"),
        (reading.engine_url, "https://Search.Example.com", "https://search.example.com:443"),
        (reading.engine_url, "https://[FD00:3::9]:9200", "https://[fd00:3::9]:9200"),
        (reading.redis_url, "10.3.0.8", "redis://10.3.0.8:6379"),
        (reading.redis_url, "redis://cache.example.com:6380", "redis://cache.example.com:6380"),
        (reading.redis_url, "", ""),
        (reading.public_name, "Collect.Example.com.", "collect.example.com"),
        (reading.public_name, "sammeln.bücher.example", "sammeln.xn--bcher-kva.example"),
        (reading.path, "/etc/ssl/tracardi/key.pem", "/etc/ssl/tracardi/key.pem"),
        (
            reading.image,
            "registry.example.com:5000/t/api:0.8.1",
            "registry.example.com:5000/t/api:0.8.1",
        ),
        (reading.label, "tracardi-staging", "tracardi-staging"),
        (reading.reference, " vault: kv/tracardi#staging ", "vault: kv/tracardi#staging"),
    ],
)
def test_what_was_typed_is_read_into_one_form(
    read: Callable[[str], Any], text: str, found: object
) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (reading.networks, "10.9.0.1/24", "bits set behind its length"),
        (reading.networks, "10.9.0.0/33", "is no network"),
        (reading.networks, "0.0.0.0/0", "wider than any network"),
        (reading.networks, "::/0", "wider than any network"),
        (reading.networks, "127.0.0.0/8", "can be no server's"),
        (reading.networks, "staff", "is no network"),
        (reading.networks, "10.0.0.0/24; } drop", "is no network"),
        (reading.networks, " ".join(f"10.{n}.0.0/24" for n in range(21)), "more than 20"),
        (reading.addresses, "10.1.0.0/24", "is no IP address"),
        (reading.addresses, "::1", "can be no server's"),
        (reading.addresses, "::ffff:10.1.0.11", "can be no server's"),
        (reading.addresses, "169.254.169.254", "can be no server's"),
        (reading.addresses, "010.1.0.11", "is no IP address"),
        (reading.engine_url, "10.2.0.12:9200", "begins with neither"),
        (reading.engine_url, "http://user:secret@10.2.0.12:9200", "user name or a password"),
        (reading.engine_url, "http://localhost:9200", "the container itself"),
        (reading.engine_url, "http://127.0.0.1:9200", "the container itself"),
        (reading.engine_url, "http://10.2.0.12:9200/${LICENSE}", "has a path"),
        (reading.redis_url, "redis://:secret@10.1.0.13", "user name or a password"),
        (reading.redis_url, "redis://[fd00::1]:6379", "reads no Redis address of IP version 6"),
        (reading.redis_url, "redis://10.1.0.13:6379/0", "has a path"),
        (reading.public_name, "collect", "is no public name"),
        (reading.public_name, "203.0.113.7", "is no public name"),
        (reading.public_name, "a.example.com; return 200", "is neither a name of a host"),
        (reading.public_name, "a_b.example.com", "is no public name"),
        (reading.path, "key.pem", "A path is as"),
        (reading.path, "/etc/../key.pem", "A path is as"),
        (reading.path, "/etc/key.pem; }", "A path is as"),
        (reading.image, "tracardi/tracardi-api", "has a tag"),
        (reading.image, "tracardi/tracardi-api:latest", "has a tag"),
        (reading.image, "a:1\n  privileged: true", "has a tag"),
        (reading.label, "Staging", "small letters"),
        (reading.reference, "LICENSE=abc", "no secret"),
        (reading.reference, "line\nline", "no secret"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    read: Callable[[str], Any], text: str, words: str
) -> None:
    with pytest.raises(BadAnswerError, match=words):
        read(text)


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"production_api_port": 8686}, "production_api_port", "taken by staging api port"),
        ({"production_collector_port": 443}, "production_collector_port", "taken by HTTPS"),
        ({"staging_gui_port": 22}, "staging_gui_port", "taken by SSH"),
        ({"ssh_port": 443}, "ssh_port", "that of the public address"),
        ({"staging_addresses": ("198.51.100.7",)}, "staging_addresses", "is not private"),
        ({"staging_addresses": ("10.2.0.11",)}, "staging_addresses", "in none of that server's"),
        ({"production_networks": ("10.1.0.0/16",)}, "production_networks", "overlaps 10.1.0.0/24"),
        ({"staff_networks": ("10.0.0.0/8",)}, "staff_networks", "overlaps"),
        ({"production_networks": ("198.51.0.0/16",)}, "production_networks", "is not private"),
        (
            {"staff_networks": ("fd00:9::/64",), "staging_addresses": ("10.1.0.11",)},
            "staff_networks",
            "No staff network speaks",
        ),
        ({"public_addresses": ("10.1.0.99",)}, "public_addresses", "is staging's"),
        ({"console_addresses": ("10.1.0.5",)}, "console_addresses", "must not reach production"),
        (
            {"staging_redis": "redis://10.3.0.8:6379", "production_redis": "redis://10.3.0.8:6379"},
            "production_redis",
            "a Redis each",
        ),
        (
            {"production_elasticsearch": "http://10.2.0.12:8696"},
            "production_elasticsearch",
            "taken by something else",
        ),
        (
            {"production_namespace": "tracardi-staging"},
            "production_namespace",
            "namespaces of their own",
        ),
        (
            {"ingress_namespace": "tracardi-production"},
            "ingress_namespace",
            "a namespace of its own",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_at_the_field(
    changed: dict[str, Any], field: str, words: str
) -> None:
    found = [said for name, said in conflicts(sample(**changed)) if name == field]
    assert any(words in said for said in found), list(conflicts(sample(**changed)))


def test_the_usual_answers_fit_together() -> None:
    assert list(conflicts(SAMPLE)) == []


def test_the_tally_counts_a_failure_without_a_number_as_one_wrong_answer() -> None:
    ran: list[tuple[bool, Properties]] = [
        (True, [("recipes", 2), ("checks", 1200), ("paths", 7), ("hosts", 6), ("wrong", 0)]),
        (False, [("checks", 10), ("wrong", 3)]),
        (False, [("other", "x")]),
    ]
    assert line(*counted(ran)) == "Recipes: 2, checks: 1,210, paths: 7, hosts: 6. Wrong answers: 4."
