"""docs/operate.md names commands, files, units, services and metrics that there are."""

import re
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands
from prometheus_client.parser import text_string_to_metric_families

from tracardi_console.metrics import exposition
from tracardi_console.readiness import readiness

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operate.md").read_text()


def test_each_command_is_one_that_there_is() -> None:
    named = set(re.findall(r"manage\.py ([a-z][a-z_-]+)", TEXT))
    assert {"backup", "restore", "reconcile", "worker", "migrate", "create_admin"} <= named
    assert named <= set(get_commands())


def test_each_file_unit_and_service_is_there() -> None:
    files = set(re.findall(r"\bdeploy/[\w./-]*\w", TEXT)) - {"deploy/console.env", "deploy/tls"}
    files = {one for one in files if not one.startswith("deploy/secrets/")}
    assert len(files) >= 6
    assert [one for one in files if not (ROOT / one.rstrip(".")).exists()] == []
    units = set(re.findall(r"tracardi-console-(web|worker|scheduler|\w+)", TEXT))
    assert units == {"web", "worker", "scheduler"}
    for unit in units:
        assert (ROOT / "deploy" / "systemd" / f"tracardi-console-{unit}.service").is_file()
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    used = set(re.findall(r"compose\.yaml (?:exec|run --rm) (\w+)", TEXT))
    assert used == {"web", "backup"}
    assert used <= set(services)


@pytest.mark.django_db
def test_each_metric_and_each_check_is_told_and_no_other() -> None:
    table = TEXT.partition("| metric, behind")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", table))
    families = text_string_to_metric_families(exposition().decode())
    known = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert {f"tracardi_console_{name}" for name in told - {"tracardi_console_"}} == known
    checks = TEXT.partition("| check | `failed` means")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| (`.*?`) \|", checks, re.M))
    assert {one for cell in named for one in re.findall(r"`([a-z-]+)`", cell)} == set(
        readiness().checks
    )
