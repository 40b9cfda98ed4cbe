"""The recipe, tried: its rules and its proxy run in a network of their own, and are asked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from environments.endpoints import CLOSED, COLLECTOR
from environments.recipes.generate import files
from environments.recipes.proxy import GATE_PORT, gate
from tests.recipes.asking import (
    CASES,
    EVERYWHERE,
    GRANTED,
    IN_PUBLIC,
    LYING,
    NAME,
    STAGING_CONTAINER,
    STAGING_SERVER,
    STRANGER,
    Judged,
    judge_places,
    judge_proxy,
    probe,
    request,
)
from tests.recipes.lab import INTERNET, INTERNET_6, ON_SIDES, Lab, laboratory, run, tool
from tests.recipes.tally import CHECKS, HOSTS, PATHS, RECIPES, WRONG, Record

Change = Callable[[str], str]


def applied(lab: Lab, firewall: Change = str, proxy: Change = str) -> dict[str, str]:
    """Load a lab's own recipe in it, where asked for with a change that makes it wrong."""
    made = files(lab.answers)
    for side in ("staging", "production"):
        lab.load(side, firewall(made[f"{side}/nftables.conf"]))
    lab.proxy(proxy(made["production/nginx.conf"]))
    return made


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Both servers with the recipe in force."""
    with laboratory(tmp_path_factory.mktemp("lab")) as made:
        applied(made)
        yield made


def record(record_property: Record, judged: Judged, paths: int = 0) -> None:
    record_property(CHECKS, judged.checks)
    record_property(HOSTS, judged.hosts)
    record_property(PATHS, paths)
    record_property(WRONG, len(judged.wrong))


def test_each_place_answers_whom_the_recipe_grants_it_and_nobody_else(
    lab: Lab, record_property: Record
) -> None:
    judged = judge_places(lab)
    record_property(RECIPES, 2)
    record(record_property, judged)
    assert judged.checks > 300
    assert not judged.wrong, "\n".join(judged.wrong)


def test_the_proxy_passes_the_collector_alone(lab: Lab, record_property: Record) -> None:
    judged = judge_proxy(lab)
    record_property(RECIPES, 1)
    record(record_property, judged, len({path for _, path, _ in CASES}))
    assert sum(reached for _, _, reached in CASES) >= sum(len(one.methods) for one in COLLECTOR)
    assert not judged.wrong, "\n".join(judged.wrong)


def test_tracardi_is_told_who_asks_and_nothing_that_the_visitor_made_up(
    lab: Lab, record_property: Record
) -> None:
    sources = (INTERNET, INTERNET_6)
    wanted = request("POST", "/track", NAME, *LYING, "Content-Length: 0")
    probes = [probe(host, 443, wanted, tls=NAME) for host in IN_PUBLIC]
    for source, answer in zip(sources, lab.ask("internet", probes), strict=True):
        told = json.loads(answer["body"])
        assert told["who"] == "collector"
        headers = told["headers"]
        assert headers["x-real-ip"] == headers["x-forwarded-for"] == source
        assert headers["x-forwarded-proto"] == "https"
        assert headers["host"] == NAME
        assert "evil.example" not in json.dumps(told)
        assert "flows" not in json.dumps(told)
        assert "DELETE" not in json.dumps(told)
    record_property(CHECKS, len(LYING) * len(sources))


def test_an_open_address_is_sent_on_to_tls_and_no_other_is(lab: Lab) -> None:
    probes = [probe(host, 80, request("POST", "/track?a=b")) for host in IN_PUBLIC]
    probes += [probe(host, 80, request("GET", "/flows")) for host in IN_PUBLIC]
    probes += [probe(host, 80, request("POST", "/track", "evil.example")) for host in IN_PUBLIC]
    answers = lab.ask("internet", probes)
    assert [one["status"] for one in answers] == [308, 308, 404, 404, 404, 404]
    assert {one["headers"].get("location") for one in answers[:2]} == {f"https://{NAME}/track?a=b"}


def test_the_certificate_is_shown_for_the_public_name_alone(lab: Lab) -> None:
    ca = lab.answers.tls_certificate
    named = probe(IN_PUBLIC[0], 443, request("OPTIONS", "/track"), tls=NAME, ca=ca)
    other = probe(IN_PUBLIC[0], 443, request("OPTIONS", "/track"), tls="evil.example")
    none = probe(IN_PUBLIC[0], 443, request("OPTIONS", "/track"), tls="")
    answers = lab.ask("internet", [named, other, none])
    assert answers[0]["status"] == 200
    assert [one["error"] for one in answers[1:]] == ["SSLError", "SSLError"]


def test_no_version_is_told_and_browsers_are_told_to_stay_with_tls(lab: Lab) -> None:
    asked = [("OPTIONS", "/track"), ("GET", "/flows")]
    probes = [probe(IN_PUBLIC[0], 443, request(*one), tls=NAME) for one in asked]
    for answer in lab.ask("internet", probes):
        assert answer["headers"]["server"] == "nginx"
        assert "max-age=" in answer["headers"]["strict-transport-security"]
        assert "nginx/" not in answer["body"]


def test_too_large_and_too_many_are_refused_before_tracardi(lab: Lab) -> None:
    length = lab.answers.body_kib * 1024 + 1
    large = request("POST", "/track", NAME, f"Content-Length: {length}")
    [answer] = lab.ask("internet", [probe(IN_PUBLIC[0], 443, large, tls=NAME)])
    assert answer["status"] == 413
    many = [probe(IN_PUBLIC[1], 443, request("OPTIONS", "/track"), tls=NAME)] * 400
    answers = lab.ask("internet", many, 40)
    refused = [one for one in answers if one["status"] == 429]
    assert refused
    assert not any("x-who" in one["headers"] for one in refused)
    assert any(one["status"] == 200 for one in answers)


def test_the_rules_are_loaded_again_without_an_open_moment_or_a_second_copy(lab: Lab) -> None:
    made = files(lab.answers)["staging/nftables.conf"]
    before = lab.inside("staging", "nft", "list", "table", "inet", "tracardi")
    lab.load("staging", made)
    after = lab.inside("staging", "nft", "list", "table", "inet", "tracardi")
    assert _uncounted(before) == _uncounted(after)
    # Docker's table, and whose else there is, stay.
    assert "table ip docker" in lab.inside("staging", "nft", "list", "ruleset")
    broken = made.replace("policy drop", "policy perhaps")
    with pytest.raises(AssertionError, match="perhaps"):
        lab.load("staging", broken)
    assert _uncounted(after) == _uncounted(
        lab.inside("staging", "nft", "list", "table", "inet", "tracardi")
    )


def _uncounted(listed: str) -> list[str]:
    return [line.partition("counter packets")[0] for line in listed.splitlines()]


def test_the_gate_of_kubernetes_passes_the_same_and_believes_the_ingress_who_asks(
    lab: Lab, record_property: Record
) -> None:
    # Among the containers, before the API that stands for the collector there.
    text = gate(lab.answers).replace("server collector:80", "server 172.30.2.2:80")
    text = text.replace("pid /tmp/nginx.pid;", "").replace(" /tmp/", f" {lab.folder}/")
    lab.proxy(text, "in-production", GATE_PORT)
    cases = [(one.asked_by, one.sample) for one in (*COLLECTOR, *CLOSED)]
    cases += [("GET", path) for path in ("/tracker/..%2fflows", "//tracker", "/gate-is-alive")]
    asked = [request(*one, NAME, "X-Real-IP: 203.0.113.77") for one in cases]
    answers = lab.ask("production", [probe("172.30.2.2", GATE_PORT, raw) for raw in asked])
    reached = [case for case, one in zip(cases, answers, strict=True) if "x-who" in one["headers"]]
    assert reached == [(one.asked_by, one.sample) for one in COLLECTOR]
    assert json.loads(answers[0]["body"])["headers"]["x-real-ip"] == "203.0.113.77"
    other = [probe("172.30.2.2", GATE_PORT, request("OPTIONS", "/track", "10.0.0.9"))]
    alive = [probe("172.30.2.2", GATE_PORT, request("GET", "/gate-is-alive", "10.0.0.9"))]
    assert [one["status"] for one in lab.ask("production", other + alive)] == [404, 204]
    record_property(RECIPES, 1)
    record_property(CHECKS, len(cases) + 2)


def test_namespaces_are_taken_away_also_where_a_test_breaks(tmp_path: Path) -> None:
    marks = []
    with pytest.raises(RuntimeError, match="broken"), laboratory(tmp_path) as made:
        marks.append(made.mark)
        assert made.mark in run(tool("ip"), "netns", "list")
        raise RuntimeError("broken")
    assert marks[0] not in run(tool("ip"), "netns", "list")


def test_a_machine_that_allows_no_namespaces_fails_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.recipes.lab.tool", lambda _name: "/bin/false")
    with (
        pytest.raises(pytest.fail.Exception, match="This machine allows no network namespaces"),
        laboratory(tmp_path),
    ):
        raise AssertionError("It was made all the same.")


def test_nothing_leads_out_of_the_namespaces(lab: Lab) -> None:
    for host in ("router", "internet", "staff", *ON_SIDES):
        links = json.loads(lab.inside(host, "ip", "-json", "link"))
        made = {one["ifname"] for one in links} - {"lo"}
        assert all(name.startswith((lab.mark[4:], "trc-")) for name in made), made
    assert "default" not in lab.inside("router", "ip", "route")


def test_without_the_rules_a_stranger_gets_everywhere(
    tmp_path: Path, record_property: Record
) -> None:
    with laboratory(tmp_path) as bare:
        bare.proxy(files(bare.answers)["production/nginx.conf"])
        judged = judge_places(bare, [(STRANGER, EVERYWHERE, set())])
    record_property(CHECKS, judged.checks)
    reached = "\n".join(judged.wrong)
    for version in range(2):
        source, staging, production = (one[version] for one in _THREE)
        for host, ports in (
            (staging, (22, 6379, 8080, 8686, 8787)),
            (production, (6379, 8696, 8797, 9200)),
        ):
            for port in ports:
                assert f"{source} (internet) at {host} port {port}: HTTP 200" in reached


_THREE = (
    (INTERNET, INTERNET_6),
    (GRANTED[0][1][0], GRANTED[0][1][1]),
    (GRANTED[0][1][2], GRANTED[0][1][3]),
)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param(
            lambda text: _chain_open(text, "forward"),
            "(internet) at 10.1.0.11 port 8686: HTTP 200",
            id="what Docker publishes",
        ),
        pytest.param(
            lambda text: _chain_open(text, "input"),
            "(internet) at 10.2.0.12 port 6379: HTTP 200",
            id="the server itself",
        ),
        pytest.param(
            lambda text: text.replace("ip6 saddr { fd00:9::/64 }", ""),
            "(internet) at fd00:2::12 port 8696: HTTP 200",
            id="version 6 alone",
        ),
        pytest.param(
            lambda text: _without(text, "10.1.0.0/24 } counter drop"),
            "(staging) at 198.51.100.10 port 443: HTTP 400",
            id="staging at production's collector",
        ),
        pytest.param(
            lambda text: _without(text, 'iifname "trc-staging" ip daddr { 10.2.0.0/24'),
            "(in-staging) at 198.51.100.10 port 9200: HTTP 200",
            id="staging's containers at production",
        ),
    ],
)
def test_a_hole_in_the_firewall_is_found(
    change: Change, found: str, tmp_path: Path, record_property: Record
) -> None:
    who = [one for one in GRANTED if one[0] in (STRANGER, STAGING_SERVER, STAGING_CONTAINER)]
    with laboratory(tmp_path) as holed:
        applied(holed, firewall=change)
        judged = judge_places(holed, who)
    record_property(CHECKS, 1)
    assert found in "\n".join(judged.wrong)


def _chain_open(text: str, name: str) -> str:
    """Let a chain accept what nothing in it decides."""
    before, start, rest = text.partition(f"chain {name} {{")
    own, end, after = rest.partition("\n    }")
    changed = own.replace("policy drop", "policy accept")
    changed = "\n".join(line for line in changed.split("\n") if line.strip() != "counter drop")
    return before + start + changed + end + after


def _without(text: str, words: str) -> str:
    return "\n".join(line for line in text.split("\n") if words not in line)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param(
            '"$crooked$open_as_sent$open_as_read"',
            '"0$open_as_sent$open_as_read"',
            "'/tracker/..%252fflows'",
            id="disguised dots and slashes",
        ),
        pytest.param(
            '"$crooked$open_as_sent$open_as_read"',
            '"01$open_as_read"',
            "'/%74rack'",
            id="an address that is understood, and not as it was sent",
        ),
        pytest.param(
            "~^(?:POST|PATCH|OPTIONS) /track", "~^[A-Z]+ /track", "GET '/track'", id="methods"
        ),
        pytest.param(
            "/customer/consent\\z", "/customer/", "'/customer/consents'", id="a loose end"
        ),
        pytest.param(
            'default 0;\n        "011"', 'default 1;\n        "011"', "GET '/flows'", id="all"
        ),
        pytest.param(
            "/tracker(?:/.*)?\\z",
            "/nowhere\\z",
            "GET '/tracker/index.js'",
            id="a part of the collector",
        ),
    ],
)
def test_a_hole_in_the_proxy_is_found(
    old: str, new: str, found: str, tmp_path: Path, record_property: Record
) -> None:
    with laboratory(tmp_path) as holed:
        text = files(holed.answers)["production/nginx.conf"]
        assert old in text
        applied(holed, proxy=lambda text: text.replace(old, new))
        # One that passes everything answers much of it late.
        judged = judge_proxy(holed, [one for one in CASES if one[1] in found])
    record_property(CHECKS, 1)
    assert found in "\n".join(judged.wrong)
