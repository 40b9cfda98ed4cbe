"""What is handed out to run the console: image, compose file, units, proxy, each tried.

There is no Docker daemon here. What the image is built of is done in a folder that has just what is
copied into it; the other files are read by the programs that they are for.
"""

import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import load_command_class

from promotion.management.commands.worker import Command as Worker
from promotion.management.commands.worker import acts
from tests.devtools.test_settings_table import documented
from tracardi_console.variables import SECRETS, Variables

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
INSTALL = "is missing: run devtools/system-packages"
SECRET_WORDS = ("SECRET", "PASSWORD", "TOKEN", "KEY", "DATABASE_URL", "EMAIL_URL")


def program(name: str) -> str:
    """Return a program's path; without it the test fails, and says what to do."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found is not None, f"{name} {INSTALL}"
    return found


def said(*words: str, **options: Any) -> str:
    """Run a program that has to succeed, and return all that it said."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
        words, capture_output=True, text=True, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- The image -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile, and in which stage it stands."""

    stage: int
    name: str
    words: str


def instructions() -> list[Instruction]:
    lines = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text()).splitlines()
    found, stage = [], -1
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        name, _, words = line.partition(" ")
        stage += name == "FROM"
        found.append(Instruction(stage, name, words.strip()))
    return found


def copied() -> dict[str, str]:
    """Return what is copied from the project, and where to."""
    pairs: dict[str, str] = {}
    for one in instructions():
        words = one.words.split()
        if one.name == "COPY" and not words[0].startswith("--from="):
            pairs |= dict.fromkeys(words[:-1], words[-1])
    return pairs


def test_each_source_of_the_image_is_there_and_is_let_in() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert set(copied()) == let_in
    for source in copied():
        assert (ROOT / source).exists(), source
    # No settings, no database, no test.
    for name in (".env", "console.sqlite3", "tests", "devtools", "deploy/secrets"):
        assert not any(fnmatch(name, source) for source in let_in)


def test_the_image_holds_no_secret_and_runs_as_nobody_of_importance() -> None:
    found = instructions()
    last = max(one.stage for one in found)
    assert last == 1
    for one in found:
        assert one.name in {
            "FROM",
            "WORKDIR",
            "RUN",
            "COPY",
            "ENV",
            "USER",
            "EXPOSE",
            "HEALTHCHECK",
            "CMD",
        }
        if one.name in {"ENV", "ARG"}:
            assert not any(word in one.words for word in SECRET_WORDS), one
        if one.name == "FROM":
            assert re.match(r"python:3\.11-slim-\w+( AS build)?$", one.words)
    final = [one for one in found if one.stage == last]
    (user,) = [one.words for one in final if one.name == "USER"]
    uid, gid = user.split(":")
    assert int(uid) >= 1000
    assert int(gid) >= 1000
    # Nothing is done as root after it, and what was copied stays root's.
    names = [one.name for one in final]
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])
    assert not any("--chown" in one.words for one in final)


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Return the version and the hashes of each package of a lock file."""
    found = {}
    for name, version, rest in re.findall(
        r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)(.*?)(?=^\S|\Z)", path.read_text(), re.M | re.S
    ):
        found[name] = (version, frozenset(re.findall(r"--hash=(sha256:\w+)", rest)))
    return found


def test_the_image_gets_what_production_needs_and_no_more_each_by_its_hash() -> None:
    whole, image = pins(ROOT / "requirements.lock"), pins(DEPLOY / "requirements.lock")
    assert image.items() <= whole.items()
    assert all(hashes for _, hashes in image.values())
    assert {"django", "gunicorn", "psycopg", "prometheus-client"} <= set(image)
    assert not {"pytest", "mypy", "playwright", "ruff"} & set(image)
    (install,) = [one.words for one in instructions() if "pip install" in one.words]
    assert "--require-hashes" in install
    assert "--no-cache-dir" in install


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what is copied into the image, and what its build makes of that."""
    folder = tmp_path / "app"
    for source, place in copied().items():
        target = folder / (f"{place}{Path(source).name}" if place.endswith("/") else place)
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    (build,) = [one.words for one in instructions() if "collectstatic" in one.words]
    # Up to there it is as it stands; what it compiles then is the whole image.
    build = build.partition("&& /venv/bin/python -m compileall")[0]
    build = build.replace("/venv/bin/python", sys.executable).replace(
        "$(python", f"$({sys.executable}"
    )
    said("/bin/sh", "-euc", build, cwd=folder, env={"PATH": os.environ["PATH"]})
    return folder


@pytest.fixture
def settings_of(tmp_path: Path) -> dict[str, str]:
    """Secrets as files, as the compose file gives them, and a database of the test's own."""
    said(str(DEPLOY / "make-secrets"), str(tmp_path / "secrets"))
    return {
        "PATH": os.environ["PATH"],
        "SECRET_KEY_FILE": str(tmp_path / "secrets" / "secret_key"),
        "ENCRYPTION_KEYS_FILE": str(tmp_path / "secrets" / "encryption_keys"),
        "METRICS_TOKEN_FILE": str(tmp_path / "secrets" / "metrics_token"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'console.sqlite3'}",
        "ALLOWED_HOSTS": "console.example.com",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def started(image: Path, settings_of: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of what the image's own command starts."""
    said(sys.executable, "manage.py", "migrate", "--noinput", cwd=image, env=settings_of)
    (command,) = [one.words for one in instructions() if one.name == "CMD"]
    words: list[str] = yaml.safe_load(command)
    port = free_port()
    assert words[:3] == ["gunicorn", "--bind", "0.0.0.0:8000"]
    words = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *words[3:]]
    with (tmp_path / "log").open("wb") as sink:
        server = subprocess.Popen(  # noqa: S603
            words, cwd=image, env=settings_of, stdout=sink, stderr=sink
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def healthy(image: Path, *words: str) -> int:
    return subprocess.run([sys.executable, "deploy/healthcheck.py", *words], cwd=image).returncode  # noqa: S603


def wait_for(true: Any) -> None:
    limit = time.monotonic() + 90
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.2)


def test_what_the_image_is_made_of_serves_and_its_health_checks_say_so(
    image: Path, started: str, settings_of: dict[str, str], tmp_path: Path
) -> None:
    ready = f"{started}/health/ready"
    wait_for(lambda: healthy(image, "web", ready) == 0)
    token = Path(settings_of["METRICS_TOKEN_FILE"]).read_text().strip()
    shown = {"Authorization": f"Bearer {token}"}
    wanted = urllib.request.Request(f"{started}/metrics", headers=shown)  # noqa: S310
    with urllib.request.urlopen(wanted) as answer:  # noqa: S310
        assert b"tracardi_console_build_info" in answer.read()
    # A page, as the proxy asks for it, with the files that were collected.
    as_proxy = {"Host": "console.example.com", "X-Forwarded-Proto": "https"}
    with pytest.raises(urllib.error.HTTPError) as plain:
        # BEHIND_PROXY is not set here: it is not believed.
        no_redirect().open(urllib.request.Request(f"{started}/account/login/", headers=as_proxy))  # noqa: S310
    assert plain.value.code == 301
    alive = tmp_path / "alive"
    assert healthy(image, "worker", str(alive)) == 1
    worker = subprocess.Popen(  # noqa: S603
        [sys.executable, "manage.py", "worker", "--only", "schedule", "--alive-file", str(alive)],
        cwd=image,
        env=settings_of,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: healthy(image, "worker", str(alive)) == 0)
        # What has not ended yet has an age too.
        with urllib.request.urlopen(wanted) as answer:  # noqa: S310
            said = answer.read().decode()
        for act, _seconds in acts():
            assert f'worker_act_age_seconds{{act="{act.__name__}"}}' in said
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    assert not alive.exists()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines
    assert all(line.startswith('{"timestamp": ') for line in lines)
    assert healthy(image, "web", "http://127.0.0.1:9/health/ready") == 1
    assert healthy(image, "whatever") == 2


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def no_redirect() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)


# --- The compose file ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The compose file as the program reads it, with the files that it asks for."""
    folder = tmp_path_factory.mktemp("compose") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets", "tls", "console.env"))
    shutil.copy(folder / "env.example", folder / "console.env")
    said(str(folder / "make-secrets"))
    profiles = ["--profile", "elasticsearch", "--profile", "backup"]
    command = [program("docker-compose"), "--file", str(folder / "compose.yaml"), *profiles]
    found: dict[str, Any] = yaml.safe_load(said(*command, "config", cwd=folder))
    return found


def test_the_compose_file_has_each_part_bounded_and_closed(composed: dict[str, Any]) -> None:
    services = composed["services"]
    assert set(services) == {
        *("db", "migrate", "web", "worker", "scheduler", "backup", "proxy", "elasticsearch"),
    }
    for name, one in services.items():
        assert "latest" not in one["image"], name
        assert one["mem_limit"], name
        assert one["cpus"], name
        assert one["restart"] == ("no" if name in {"migrate", "backup"} else "unless-stopped"), name
        assert one["healthcheck"]["test"], name
        assert "no-new-privileges:true" in one["security_opt"], name
        assert not one.get("privileged"), name
        # Elasticsearch writes its own configuration at its start.
        if name != "elasticsearch":
            assert one["read_only"], name
            assert one["cap_drop"] == ["ALL"], name
    # Nothing but the proxy can be reached from outside, and nobody but the console the database.
    assert {name for name, one in services.items() if one.get("ports")} == {"proxy"}
    assert "data" not in services["proxy"]["networks"]
    assert composed["networks"]["data"]["internal"]
    assert list(services["db"]["networks"]) == ["data"]


def test_the_console_owns_each_folder_that_a_volume_of_its_own_lies_on(
    composed: dict[str, Any],
) -> None:
    # A new volume takes its owner and mode from the image's folder; without one it is root's.
    last = max(one.stage for one in instructions())
    runs = " ".join(one.words for one in instructions() if (one.stage, one.name) == (last, "RUN"))
    made = {
        folder
        for folders in re.findall(r"install -d -o 10001 -g 10001 -m 0700 ((?:/\S+ ?)+)", runs)
        for folder in folders.split()
    }
    volumes = [
        volume.split(":")
        for one in composed["services"].values()
        if one["image"].startswith("tracardi-console:")
        for volume in one.get("volumes", [])
    ]
    wanted = {target for name, target, *_mode in volumes if name in composed["volumes"]}
    assert wanted == {"/backups", "/anchor"}
    assert wanted <= made


def test_no_secret_stands_in_the_compose_file(composed: dict[str, Any]) -> None:
    for name, one in composed["services"].items():
        for variable in one.get("environment", {}):
            assert variable not in SECRETS, (name, variable)
            if any(word in variable for word in SECRET_WORDS):
                assert variable.endswith("_FILE"), (name, variable)
        given = {secret["source"] for secret in one.get("secrets", [])}
        assert given <= set(composed["secrets"])
    raw = (DEPLOY / "compose.yaml").read_text()
    assert "postgres://" not in raw
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"deploy/secrets/", "deploy/tls/", "deploy/console.env"} <= set(ignored)


def test_each_command_of_the_compose_file_is_one_that_there_is(composed: dict[str, Any]) -> None:
    commands = {name: one.get("command") for name, one in composed["services"].items()}
    parser = Worker().create_parser("manage.py", "worker")
    for name, part in (("worker", "queue"), ("scheduler", "schedule")):
        assert commands[name][:3] == ["python", "manage.py", "worker"]
        asked = parser.parse_args(commands[name][3:])
        assert asked.only == part
        check = composed["services"][name]["healthcheck"]["test"]
        assert check == ["CMD", "python", "deploy/healthcheck.py", "worker", str(asked.alive_file)]
        assert str(asked.alive_file).startswith("/tmp/")  # noqa: S108
    assert commands["migrate"] == ["python", "manage.py", "migrate", "--noinput"]
    load_command_class("tracardi_console", commands["backup"][-1])
    # pg_dump is as new as the server.
    (client,) = re.findall(r"postgresql-client-(\d+)", (DEPLOY / "Dockerfile").read_text())
    assert composed["services"]["db"]["image"].startswith(f"postgres:{client}-")


def test_secrets_are_made_once_for_their_owner_and_fit_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "secrets"
    said(str(DEPLOY / "make-secrets"), str(folder))
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", str(folder / name.lower()))
    env = Variables()
    assert len(env.secret("SECRET_KEY")) >= 50
    assert len(env.encryption_keys("ENCRYPTION_KEYS")) == 1
    database = env.database("DATABASE_URL", "")
    assert (database["HOST"], database["NAME"], database["USER"]) == ("db", "console", "console")
    assert database["PASSWORD"] == made["database_password"].strip()
    assert len(env.str("METRICS_TOKEN")) >= 40
    said(str(DEPLOY / "make-secrets"), str(folder))
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_the_example_of_settings_names_settings_that_there_are() -> None:
    lines = (DEPLOY / "env.example").read_text().splitlines()
    named = {found[1] for line in lines if (found := re.match(r"#? ?([A-Z_]+)=", line))}
    assert len(named) >= 12
    assert named <= set(documented())
    # What is secret is there as a name alone.
    for line in lines:
        name, _, value = line.partition("=")
        if name in SECRETS:
            raise AssertionError(f"{name} has a value: {value}")


# --- The proxy -----------------------------------------------------------------------------------


def test_nginx_takes_the_proxys_configuration_and_it_hides_what_is_for_machines(
    tmp_path: Path,
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=console.example.com", "-days", "1", "-nodes"]
    where = ["-keyout", str(key), "-out", str(certificate)]
    said(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", *subject, *where)
    port, port_of_tls, port_of_web = free_port(), free_port(), free_port()
    # First of all: the test's own folder lies there too.
    text = re.sub(r"/tmp/(\w+)", rf"{tmp_path}/\1", (DEPLOY / "nginx.conf").read_text())  # noqa: S108
    for old, new in (
        ("/tls/", f"{tmp_path}/"),
        ("server web:8000;", f"server 127.0.0.1:{port_of_web};"),
        ("listen 8080 ", f"listen 127.0.0.1:{port} "),
        ("listen 8443 ", f"listen 127.0.0.1:{port_of_tls} "),
        ("/dev/stdout", f"{tmp_path}/access.log"),
        ("/dev/stderr", f"{tmp_path}/error.log"),
    ):
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    said(program("nginx"), "-t", "-c", str(file))
    server = subprocess.Popen([program("nginx"), "-c", str(file), "-g", "daemon off;"])  # noqa: S603
    try:
        wait_for(lambda: asked(f"http://127.0.0.1:{port}/alive") == 204)
        assert asked(f"http://127.0.0.1:{port}/builds/") == 301
        for path in ("/metrics", "/health/ready", "/health/live"):
            assert asked(f"https://127.0.0.1:{port_of_tls}{path}") == 404, path
        # Nobody listens behind it.
        assert asked(f"https://127.0.0.1:{port_of_tls}/") == 502
    finally:
        server.terminate()
        server.wait(15)


def asked(url: str) -> int:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


# --- The units -----------------------------------------------------------------------------------

UNITS = ("web", "worker", "scheduler")


@pytest.fixture
def units(tmp_path: Path) -> dict[str, Path]:
    """The units, with this project in the place where they expect one."""
    found = {}
    for name in UNITS:
        text = (DEPLOY / "systemd" / f"tracardi-console-{name}.service").read_text()
        assert "/opt/tracardi-console/.venv/bin/" in text
        text = text.replace("/opt/tracardi-console/.venv/bin", str(Path(sys.executable).parent))
        found[name] = tmp_path / f"tracardi-console-{name}.service"
        found[name].write_text(text.replace("/opt/tracardi-console", str(ROOT)))
    return found


def test_systemd_takes_the_units_and_finds_them_closed(units: dict[str, Path]) -> None:
    analyze = program("systemd-analyze")
    said(analyze, "verify", "--man=no", *[str(path) for path in units.values()])
    for path in units.values():
        # 0 is all closed, 100 all open; without any hardening a service has 92 to 96.
        said(analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(path))


def test_each_unit_starts_what_there_is(units: dict[str, Path]) -> None:
    parser = Worker().create_parser("manage.py", "worker")
    for name, path in units.items():
        (start,) = re.findall(r"^ExecStart=(.*)$", path.read_text(), re.M)
        words = shlex.split(start)
        assert Path(words[0]).is_file()
        if name == "web":
            assert words[-1] == "tracardi_console.wsgi"
        else:
            part = parser.parse_args(words[3:]).only
            assert part == {"worker": "queue", "scheduler": "schedule"}[name]
