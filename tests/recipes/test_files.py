"""What a recipe is made of, judged by the programs and schemas that will read it."""

import json
import re
import subprocess
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from environments.endpoints import CLOSED, COLLECTOR
from environments.recipes.answers import Answers
from environments.recipes.compose import env_example
from environments.recipes.generate import files
from environments.recipes.proxy import gate
from tests.recipes.certificate import write
from tests.recipes.lab import tool
from tests.recipes.samples import SAMPLE, sample
from tests.recipes.tally import CHECKS, RECIPES, Record

# Answers of every kind: what a recipe holds differs with them.
VARIED: Final = {
    "usual": sample(),
    "version 4 alone": sample(
        staff_networks=("10.9.0.0/24",),
        console_addresses=(),
        public_addresses=(),
        staging_addresses=("10.1.0.11",),
        staging_networks=("10.1.0.0/24",),
        production_addresses=("10.2.0.12",),
        production_networks=("10.2.0.0/24",),
    ),
    "version 6 alone": sample(
        staff_networks=("fd00:9::/64",),
        console_addresses=("fd00:9::5",),
        public_addresses=("2001:db8:1::10",),
        staging_addresses=("fd00:1::11",),
        staging_networks=("fd00:1::/64",),
        production_addresses=("fd00:2::12",),
        production_networks=("fd00:2::/64",),
        staging_elasticsearch="https://[fd00:3::9]:9200",
        production_elasticsearch="https://[fd00:3::9]:9200",
    ),
    "stores elsewhere": sample(
        tenant="",
        staging_elasticsearch="https://search.example.com:9243",
        production_elasticsearch="https://10.3.0.9:9200",
        staging_redis="redis://10.3.0.8:6379",
        production_redis="redis://10.3.0.9:6380",
        staging_login="none",
        production_login="api-key",
        licensed=False,
        api_image="tracardi/tracardi-api:0.8.1",
    ),
    "many networks": sample(
        staff_networks=("10.9.0.0/24", "10.10.0.0/16", "192.168.4.0/22", "fd00:9::/48"),
        console_addresses=("10.9.0.5", "10.9.0.6"),
        ssh_port=2222,
    ),
}
every = pytest.mark.parametrize("answers", VARIED.values(), ids=list(VARIED))
# The oldest and the newest Kubernetes that manifests are for.
KUBERNETES: Final = ("1.25", "1.31")


def compose_config(folder: Path, text: str, values: str) -> "subprocess.CompletedProcess[str]":
    (folder / "docker-compose.yaml").write_text(text)
    (folder / ".env").write_text(values)
    words = [tool("docker-compose"), "-f", "docker-compose.yaml", "config"]
    return subprocess.run(  # noqa: S603
        words, cwd=folder, capture_output=True, text=True, check=False
    )


def filled(text: str) -> str:
    """Return an environment file with a value for each name."""
    return re.sub(r"(?m)^([A-Z_]+)=$", r"\1=value-of-\1", text)


@pytest.mark.parametrize(
    "answers",
    # Each takes seconds: of many alike, those that differ most.
    [
        pytest.param(
            one, id=name, marks=() if name in {"usual", "stores elsewhere"} else pytest.mark.long
        )
        for name, one in VARIED.items()
    ],
)
def test_compose_takes_each_file_once_the_secrets_are_there(
    answers: Answers, tmp_path: Path, record_property: Record
) -> None:
    made = files(answers)
    for side in answers.sides:
        text, values = (
            made[f"{side.name}/{name}"] for name in ("docker-compose.yaml", ".env.example")
        )
        done = compose_config(tmp_path, text, filled(values))
        assert done.returncode == 0, done.stderr
        services = yaml.safe_load(done.stdout)["services"]
        own = {"collector"} if side.is_production else set()
        assert services.keys() == {"api", "gui", *own, *({"redis"} if side.own_redis else set())}
        facts = services["api"]["environment"]
        assert facts["PRODUCTION"] == ("yes" if side.is_production else "no")
        assert facts["EXPOSE_GUI_API"] == "yes"
        assert facts.get("TENANT_NAME", "") == answers.tenant
        assert facts["ELASTIC_HOST"] == side.elasticsearch
        assert facts["REDIS_HOST"] == side.redis_host
        if side.is_production:
            assert services["collector"]["environment"]["EXPOSE_GUI_API"] == "no"
        if answers.licensed:
            assert facts["LICENSE"] == "value-of-LICENSE"
    record_property(RECIPES, 2)
    record_property(CHECKS, 2)


def test_compose_refuses_while_a_secret_is_missing_and_names_it(tmp_path: Path) -> None:
    made = files(SAMPLE)
    whole = filled(made["production/.env.example"])
    for name in ("LICENSE", "REDIS_PASSWORD"):
        without = re.sub(rf"(?m)^{name}=.*$", f"{name}=", whole)
        done = compose_config(tmp_path, made["production/docker-compose.yaml"], without)
        assert done.returncode != 0
        assert f"write {name} into .env first" in done.stderr


def test_compose_finds_a_file_that_is_wrong(tmp_path: Path) -> None:
    made = files(SAMPLE)
    text, values = made["staging/docker-compose.yaml"], filled(made["staging/.env.example"])
    for old, new in (
        ("services:", "servers:"),
        ("restart: unless-stopped", "restarts: unless-stopped"),
        ("depends_on:\n      - redis", "depends_on:\n      - nobody"),
        ("10.1.0.11:8686:80", "10.1.0.11:port:80"),
    ):
        assert old in text
        assert compose_config(tmp_path, text.replace(old, new, 1), values).returncode != 0, old


@every
def test_ports_are_bound_to_private_addresses_and_the_collector_to_the_server_itself(
    answers: Answers,
) -> None:
    made = files(answers)
    for side in answers.sides:
        services = yaml.safe_load(made[f"{side.name}/docker-compose.yaml"])["services"]
        ports = {name: one.get("ports", []) for name, one in services.items()}
        for name, own in (("api", side.api_port), ("gui", side.gui_port)):
            hosts = [f"[{one}]" if ":" in one else one for one in side.addresses]
            assert ports.pop(name) == [f"{host}:{own}:80" for host in hosts]
        if side.is_production:
            assert ports.pop("collector") == [f"127.0.0.1:{answers.production_collector_port}:80"]
        assert not any(ports.values())


@every
def test_no_file_holds_a_secret_and_both_sides_name_one_licence(answers: Answers) -> None:
    made = files(answers)
    for side in answers.sides:
        values = made[f"{side.name}/.env.example"]
        names = re.findall(r"(?m)^([A-Z_]+)=(.*)$", values)
        assert names
        assert not any(value for _, value in names)
        assert ("LICENSE" in dict(names)) is answers.licensed
        text = made[f"{side.name}/docker-compose.yaml"]
        for name, _ in names:
            lines = [
                line.strip() for line in text.splitlines() if line.strip().startswith(f"{name}:")
            ]
            assert lines
            assert set(lines) == {f"{name}: ${{{name}:?write {name} into .env first}}"}
        assert env_example(answers, side) == values
    assert not [path for path, text in made.items() if re.search(r"kind: Secret$", text, re.M)]


def load(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def manifests(answers: Answers) -> list[dict[str, Any]]:
    made = files(answers)
    return [one for path in made if path.startswith("kubernetes/") for one in load(made[path])]


@every
@pytest.mark.parametrize("version", KUBERNETES)
def test_each_manifest_fits_the_schemas_of_kubernetes(
    answers: Answers, version: str, record_property: Record
) -> None:
    found = manifests(answers)
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)
    assert len(found) > 25
    record_property(RECIPES, 1)
    record_property(CHECKS, len(found))


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("Deployment", lambda one: one["spec"].pop("selector")),
        ("Deployment", lambda one: one["spec"].update(replicaz=2)),
        ("Service", lambda one: one["spec"]["ports"][0].update(port="http")),
        ("NetworkPolicy", lambda one: one["spec"].update(ingres=[])),
        ("Ingress", lambda one: one["spec"]["rules"][0]["http"]["paths"][0].pop("pathType")),
    ],
)
def test_the_schemas_find_a_manifest_that_is_wrong(
    kind: str, spoil: Callable[[dict[str, Any]], object]
) -> None:
    one = next(one for one in manifests(SAMPLE) if one["kind"] == kind)
    spoil(one)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(one, KUBERNETES[-1], strict=True)


def _ingress(answers: Answers) -> Callable[[str], bool]:
    [made] = load(files(answers)["kubernetes/ingress.yaml"])
    [rule] = made["spec"]["rules"]
    assert rule["host"] == answers.public_name

    def passes(path: str) -> bool:
        return any(
            path == one["path"]
            or (one["pathType"] == "Prefix" and path.startswith(f"{one['path']}/"))
            for one in rule["http"]["paths"]
        )

    return passes


def test_the_ingress_leads_the_collectors_addresses_to_the_gate_and_no_other() -> None:
    passes = _ingress(SAMPLE)
    assert all(passes(one.sample) for one in COLLECTOR)
    assert not any(passes(one.sample) for one in CLOSED)
    assert not passes("/")


def test_each_namespace_denies_what_it_does_not_name() -> None:
    for side in SAMPLE.sides:
        own = [
            one for one in manifests(SAMPLE) if one["metadata"].get("namespace") == side.namespace
        ]
        policies = {
            one["metadata"]["name"]: one["spec"] for one in own if one["kind"] == "NetworkPolicy"
        }
        denied = policies["default-deny"]
        assert denied["podSelector"] == {}
        assert denied["policyTypes"] == ["Ingress", "Egress"]
        assert denied["ingress"] == denied["egress"] == []
        deployments = {one["metadata"]["name"] for one in own if one["kind"] == "Deployment"}
        for name in deployments:
            into = [
                one["ingress"]
                for one in policies.values()
                if one["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") == name
                and "ingress" in one
            ]
            assert into, f"Nothing reaches {name}"
            peers = [peer for rules in into for rule in rules for peer in rule["from"]]
            assert peers
            assert {"ipBlock": {"cidr": "0.0.0.0/0"}} not in peers
        out = policies["api-out"]["egress"][-1]["to"]
        other = SAMPLE.other(side)
        closed = {one for peer in out for one in peer["ipBlock"]["except"]}
        assert closed >= {*other.networks, "169.254.0.0/16"}


def _reaches(answers: Answers, side: str, address: str, port: int) -> bool:
    """Answer whether the policies let the API of a side go to an address."""
    ip = ip_address(address)
    rules = [
        rule
        for one in load(files(answers)[f"kubernetes/{side}.yaml"])
        if one["kind"] == "NetworkPolicy"
        and one["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name", "api")
        == "api"
        for rule in one["spec"].get("egress", ())
        if port in {every["port"] for every in rule.get("ports", [{"port": port}])}
    ]
    # Without peers a rule is for all of them.
    peers = [peer for rule in rules for peer in rule.get("to", [{"ipBlock": {"cidr": f"{ip}"}}])]
    return any(
        ip in ip_network(block["cidr"])
        and not any(ip in ip_network(one) for one in block.get("except", ()))
        for block in (peer["ipBlock"] for peer in peers if "ipBlock" in peer)
    )


@pytest.mark.parametrize(("named", "known"), [("staging", "production"), ("production", "staging")])
def test_a_store_that_is_known_by_its_name_opens_no_way_to_the_other_sides(
    named: str, known: str
) -> None:
    answers = sample(
        **{
            f"{named}_elasticsearch": "http://search.example.com:9200",
            f"{named}_redis": "redis://queue.example.com:6379",
            f"{known}_elasticsearch": "http://10.3.0.9:9200",
            f"{known}_redis": "redis://10.3.0.8:6379",
        }
    )
    other = answers.production if known == "production" else answers.staging
    for port, store in ((9200, "10.3.0.9"), (6379, "10.3.0.8")):
        # Its own may be at any address; the other side's are known.
        assert _reaches(answers, named, "203.0.113.9", port)
        assert _reaches(answers, named, "2001:db8:9::9", port)
        for address in (store, *other.addresses, "169.254.169.254"):
            assert not _reaches(answers, named, address, port), address
        assert _reaches(answers, known, store, port)
        assert not _reaches(answers, known, "203.0.113.9", port)
    text = files(answers)["README.md"]
    assert "stores above:\nsearch.example.com, queue.example.com." in text
    assert "known by its name alone" not in files(SAMPLE)["README.md"]


def nft(text: str) -> "subprocess.CompletedProcess[str]":
    """Let nft check rules: in a network namespace of its own, which ends with it."""
    words = [tool("unshare"), "--net", tool("nft"), "-c", "-f", "-"]
    return subprocess.run(  # noqa: S603
        words, input=text, capture_output=True, text=True, check=False
    )


@every
def test_nft_takes_the_rules_of_each_server(answers: Answers, record_property: Record) -> None:
    made = {path: text for path, text in files(answers).items() if path.endswith("nftables.conf")}
    assert len(made) >= 2
    for path, text in made.items():
        done = nft(text)
        assert done.returncode == 0, f"{path}: {done.stderr}"
        assert text.count("policy drop;") == 2
    record_property(RECIPES, len(made))
    record_property(CHECKS, len(made))


def test_nft_finds_rules_that_are_wrong() -> None:
    text = files(SAMPLE)["production/nftables.conf"]
    for old, new in (
        ("policy drop", "policy dropp"),
        ("10.9.0.0/24", "10.9.0.0/33"),
        ("tcp dport 22", "tcp dport ssh-port"),
        ("chain forward {", "chain forward"),
        ("ct original proto-dst", "ct original port"),
    ):
        assert old in text
        assert nft(text.replace(old, new, 1)).returncode != 0, old


def test_stores_on_a_server_of_their_own_get_rules_of_their_own() -> None:
    made = files(VARIED["stores elsewhere"])
    assert "data/10.3.0.9/nftables.conf" in made
    redis, engine = made["data/10.3.0.8/nftables.conf"], made["data/10.3.0.9/nftables.conf"]
    assert "ip saddr { 10.1.0.11 } tcp dport 6379 accept" in redis
    assert "10.2.0.12" not in redis
    # Production's own, and the console; staging has another Elasticsearch.
    assert "ip saddr { 10.2.0.12, 10.9.0.5 } tcp dport 9200 accept" in engine
    assert "10.1.0.11" not in engine
    assert "search.example.com is known by its name alone" in made["README.md"]


def nginx(folder: Path, text: str) -> "subprocess.CompletedProcess[str]":
    (folder / "nginx.conf").write_text(text)
    # Its own default log is none of a test's.
    words = [
        tool("nginx"),
        "-t",
        "-q",
        "-e",
        str(folder / "error.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    words += ["-g", f"pid {folder}/nginx.pid;"]
    return subprocess.run(  # noqa: S603
        words, capture_output=True, text=True, check=False
    )


@every
def test_nginx_takes_the_proxy_of_production_and_the_gate_of_kubernetes(
    answers: Answers, tmp_path: Path, record_property: Record
) -> None:
    certificate, key = write(tmp_path, answers.public_name)
    known = sample(
        **{**answers.to_dict(), "tls_certificate": str(certificate), "tls_key": str(key)}
    )
    done = nginx(tmp_path, files(known)["production/nginx.conf"])
    assert (done.returncode, done.stderr) == (0, "")
    # Its upstream is a name of the cluster's, which nobody here knows; its pid is said in it.
    text = (
        gate(known)
        .replace("server collector:80", "server 127.0.0.1:80")
        .replace("pid /tmp/nginx.pid;", "")
    )
    done = nginx(tmp_path, text)
    assert (done.returncode, done.stderr) == (0, "")
    record_property(RECIPES, 2)
    record_property(CHECKS, 2)


def test_nginx_finds_a_proxy_that_is_wrong(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, SAMPLE.public_name)
    text = files(sample(tls_certificate=str(certificate), tls_key=str(key)))[
        "production/nginx.conf"
    ]
    for old, new in (
        ("limit_req zone=requests", "limit_req zone=nobody"),
        ("proxy_pass http://collector;", "proxy_pass http://collector"),
        (str(certificate), "/nowhere/certificate.pem"),
        ("(?:POST|PATCH|OPTIONS", "(?:POST|(PATCH|OPTIONS"),
    ):
        assert old in text
        assert nginx(tmp_path, text.replace(old, new, 1)).returncode != 0, old


@every
def test_equal_answers_make_equal_files_also_when_they_were_kept(answers: Answers) -> None:
    kept = Answers.from_dict(json.loads(json.dumps(answers.to_dict())))
    assert kept == answers
    assert list(files(kept).items()) == list(files(answers).items())


def test_the_readme_says_what_to_do_and_what_the_console_checks() -> None:
    text = files(SAMPLE)["README.md"]
    for words in (
        "nft -c -f nftables.conf",
        "systemctl stop way-back.timer",
        "docker compose --file docker-compose.yaml up --detach",
        "nginx -t -c",
        "kubectl apply -f kubernetes/ingress.yaml",
        "https://collect.example.com",
        "vault: tracardi/production",
        "staging's API is at private IP addresses alone",
    ):
        assert words in text, words
    assert all(f"`{one.sample}`" in text for one in CLOSED[:6])
