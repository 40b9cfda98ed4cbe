"""A production set on the real engine, its people, the world of the matrix, and made-up servers."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.console.conftest import qa, shop
from tests.promotion.conftest import engine, people, production
from tests.security.listening import Listener, listening
from tests.security.world import World, made_world

__all__ = ["engine", "people", "production", "qa", "shop"]
Names = Callable[..., None]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One world for a whole file: each test takes back what it did."""
    with django_db_blocker.unblock(), made_world() as made:
        yield made


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Let a name lead to addresses, as a DNS server of somebody else may; ask the rest as ever."""
    known: dict[str, tuple[str, ...]] = {}
    ask = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        found = [ask(ip, port, *rest, **more) for ip in known.get(str(host), (host,))]
        return [one for some in found for one in some]

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    def tell(name: str, *ips: str) -> None:
        known[name] = ips

    return tell


@pytest.fixture
def target() -> Iterator[Listener]:
    with listening() as made:
        yield made
