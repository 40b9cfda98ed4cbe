"""Docker compose files: one a server. Pure."""

from typing import Any, Final

from environments.recipes.answers import Answers, Side
from environments.recipes.text import as_yaml
from environments.recipes.variables import secrets, settings

_ALIVE: Final = [
    "CMD",
    "python3",
    "-c",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1/healthcheck', timeout=5)",
]
_LOGS: Final = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def compose(answers: Answers, side: Side) -> str:
    """Return the compose file of one server.

    Its ports are bound to the private addresses; production's collector to the server itself, where
    the proxy asks it. Without a value for each secret in `.env` nothing starts.
    """
    private = _bound(side.addresses, side.api_port)
    services: dict[str, Any] = {"api": _tracardi(answers, side, gui_api=True, ports=private)}
    if side.is_production:
        own = _bound(("127.0.0.1",), answers.production_collector_port)
        services["collector"] = _tracardi(answers, side, gui_api=False, ports=own)
    services["gui"] = {
        "image": answers.gui_image,
        "restart": "unless-stopped",
        "ports": _bound(side.addresses, side.gui_port),
        "networks": ["tracardi"],
        "depends_on": ["api"],
        "logging": _LOGS,
        "security_opt": ["no-new-privileges:true"],
    }
    if side.own_redis:
        services["redis"] = _redis(answers)
    found: dict[str, Any] = {
        "services": services,
        "networks": {
            "tracardi": {
                "driver": "bridge",
                # The firewall knows the containers by the name of their interface.
                "driver_opts": {"com.docker.network.bridge.name": side.bridge},
            }
        },
    }
    if side.own_redis:
        found["volumes"] = {"redis": {}}
    return as_yaml(f"Tracardi {answers.version}, the {side.name} server.", found)


def _tracardi(answers: Answers, side: Side, *, gui_api: bool, ports: list[str]) -> dict[str, Any]:
    wanted = {one.name: required(one.name) for one in secrets(answers, side)}
    found: dict[str, Any] = {
        "image": answers.api_image,
        "restart": "unless-stopped",
        "environment": {**settings(answers, side, gui_api=gui_api), **wanted},
        "ports": ports,
        "networks": ["tracardi"],
        "healthcheck": {
            "test": _ALIVE,
            "interval": "30s",
            "timeout": "10s",
            "retries": 5,
            "start_period": "60s",
        },
        "logging": _LOGS,
        "security_opt": ["no-new-privileges:true"],
    }
    if side.own_redis:
        found["depends_on"] = ["redis"]
    return found


def _redis(answers: Answers) -> dict[str, Any]:
    """Redis of this side alone: it has no port outside of the containers' network."""
    return {
        "image": answers.redis_image,
        "restart": "unless-stopped",
        # Read in the container: a password in the command would be seen in the list of processes.
        "command": [
            "sh",
            "-c",
            'printf "requirepass %s\\nappendonly yes\\n" "$$REDIS_PASSWORD" | exec redis-server -',
        ],
        "environment": {"REDIS_PASSWORD": required("REDIS_PASSWORD")},
        "volumes": ["redis:/data"],
        "networks": ["tracardi"],
        "logging": _LOGS,
        "security_opt": ["no-new-privileges:true"],
    }


def required(name: str) -> str:
    """Return a reference to a value of `.env` without which compose refuses to start."""
    return f"${{{name}:?write {name} into .env first}}"


def _bound(addresses: tuple[str, ...], port: int) -> list[str]:
    return [f"{f'[{one}]' if ':' in one else one}:{port}:80" for one in addresses]


def env_example(answers: Answers, side: Side) -> str:
    """Return the environment file of one server: all names, and no value."""
    where = side.secrets or "say in the console's answers where"
    lines = [
        f"# Secrets of the {side.name} server. Copy to .env, chmod 600, and fill in.",
        f"# Kept in: {where}.",
        "# An empty value keeps docker compose from starting anything.",
        "# One value a line, without quotes; a dollar sign is written twice.",
        "",
    ]
    for one in secrets(answers, side):
        lines += [f"# {one.name}: {one.why}.", f"{one.name}=", ""]
    return "\n".join(lines).rstrip("\n") + "\n"
