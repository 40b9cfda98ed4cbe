"""What small real servers answer: good ones, and such as hang, trickle, lie, end early or never."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from environments.network import wire
from environments.network.facts import Answer, Flaw, Port, Speaks, Trouble
from environments.network.probing import MOST_LATE, Prober
from tests.network.certificates import Authority
from tests.network.conftest import PUBLIC, Tried
from tests.network.servers import (
    Tracardi,
    closed_port,
    endless,
    raw,
    redis,
    says,
    serving,
    trickle,
    until_hung_up,
)
from tests.security.listening import dropping

Handle = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def ask(port: int, seconds: float = 10.0, *, body: bool = True) -> Answer:
    return wire.ask((PUBLIC, port), "GET", "/x", secure=False, seconds=seconds, body=body)


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        (until_hung_up, Trouble.LATE),
        # Each byte in time, the whole never.
        (trickle(b""), Trouble.LATE),
        (trickle(b"HTTP/1.1 200 OK\r\nX-A: "), Trouble.LATE),
        (trickle(b"HTTP/1.1 200 OK\r\n\r\n"), Trouble.LATE),
    ],
)
def test_a_server_that_takes_its_time_is_left(
    tried: Tried, handle: Handle, expected: Trouble
) -> None:
    tried.paths += 1
    tried.hosts.add(PUBLIC)
    started = time.monotonic()
    with raw(PUBLIC, handle) as port:
        assert ask(port, 0.3).trouble is expected
    # Long before such a server would have been done, on a busy machine too.
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        (says(), Trouble.BROKEN),
        (says(b"HTTP/1.1 2"), Trouble.BROKEN),
        (says(b"220 mail.example.com ESMTP\r\n"), Trouble.BROKEN),
        (says(OK, b"half"), Trouble.BROKEN),
        (says(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 100_000 + b"\r\n\r\n"), Trouble.BROKEN),
        (says(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 200 + b"\r\n"), Trouble.BROKEN),
    ],
)
def test_half_an_answer_is_none(tried: Tried, handle: Handle, expected: Trouble) -> None:
    tried.paths += 1
    tried.hosts.add(PUBLIC)
    with raw(PUBLIC, handle) as port:
        assert ask(port).trouble is expected


def test_of_an_answer_without_end_a_bounded_part_is_read(tried: Tried) -> None:
    tried.paths += 1
    with raw(PUBLIC, endless) as port:
        answer = ask(port)
    assert answer.status == 200
    assert len(answer.body) == wire.LARGEST


def test_nobody_answers_at_a_closed_port(tried: Tried) -> None:
    tried.paths += 1
    assert ask(closed_port(PUBLIC)).trouble is Trouble.REFUSED


def test_no_redirect_is_followed(tried: Tried) -> None:
    tried.paths += 1
    elsewhere = Tracardi()
    with serving("127.0.0.14", elsewhere), serving(PUBLIC, Tracardi(leads_to=elsewhere.url)) as one:
        answer = ask(int(one.url.rpartition(":")[2]))
    assert (answer.status, answer.location) == (301, f"{elsewhere.url}/x")
    assert elsewhere.asked == []


def test_where_the_list_does_not_lead_nothing_is_opened(tried: Tried, settings: Settings) -> None:
    tried.paths += 1
    settings.ALLOWED_TARGETS = ["10.0.0.0/8"]
    asked = []
    with raw(PUBLIC, lambda sock: asked.append(sock)) as port:
        assert ask(port).trouble is Trouble.FORBIDDEN
        assert wire.certificate(PUBLIC, port, 5).trouble is Trouble.FORBIDDEN
        assert _port(port) == Port(port, Speaks.UNKNOWN, trouble=Trouble.FORBIDDEN)
    assert asked == []


def test_the_question_says_who_asks_and_what_a_browser_would(tried: Tried) -> None:
    tried.paths += 1
    with serving(PUBLIC, Tracardi()) as one:
        port = int(one.url.rpartition(":")[2])
        answer = wire.ask((PUBLIC, port), "OPTIONS", "/track", secure=False, seconds=10)
    assert (answer.status, answer.allows_origin, answer.from_tracardi) == (200, True, True)
    assert one.agents == {wire.AGENT}


def test_an_address_that_drops_leaves_time_for_the_one_that_answers(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried.paths += 1
    real = socket.getaddrinfo

    def both(host: str, *rest: Any, **more: Any) -> Any:
        ips = ("127.0.1.1", PUBLIC) if host == "both.test" else (host,)
        return [one for ip in ips for one in real(ip, *rest, **more)]

    with dropping("127.0.1.1") as port, serving(PUBLIC, Tracardi(), port=port):
        monkeypatch.setattr(socket, "getaddrinfo", both)
        answer = wire.ask(("both.test", port), "GET", "/docs", secure=False, seconds=1)
        found = wire.port("both.test", port, 1, lambda: None)
    assert answer.status == 200
    assert (found.speaks, found.ip) == (Speaks.SOMETHING, PUBLIC)


# --- The pace of a run ---------------------------------------------------------------------------


def test_no_more_requests_a_second_begin_than_are_set(tried: Tried) -> None:
    prober = Prober(seconds=10, deadline=time.monotonic() + 60, per_second=20)
    with serving("127.0.0.15", Tracardi()) as one:
        place = ("127.0.0.15", int(one.url.rpartition(":")[2]))
        for _ in range(7):
            prober.ask(place, "GET", "/docs", secure=False)
    tried.paths += 7
    assert one.times[-1] - one.times[0] >= 6 / 20 - 0.05
    assert (prober.connections, prober.hosts) == (7, {"127.0.0.15"})


def test_a_host_that_stays_silent_is_not_asked_for_ever(tried: Tried) -> None:
    prober = Prober(seconds=0.1, deadline=time.monotonic() + 60, per_second=10_000)
    with raw(PUBLIC, until_hung_up) as port:
        found = [prober.ask((PUBLIC, port), "GET", "/x", secure=False) for _ in range(5)]
    tried.paths += 5
    late, left = Trouble.LATE, Trouble.NOT_ASKED
    assert [one.trouble for one in found] == [late] * MOST_LATE + [left] * (5 - MOST_LATE)
    assert prober.connections == MOST_LATE


def test_after_the_time_of_a_run_nothing_is_begun(tried: Tried) -> None:
    prober = Prober(seconds=5, deadline=time.monotonic() - 1, per_second=10_000)
    with serving(PUBLIC, Tracardi()) as one:
        place = (PUBLIC, int(one.url.rpartition(":")[2]))
        assert prober.ask(place, "GET", "/docs", secure=False).trouble is Trouble.NOT_ASKED
    assert one.asked == []
    assert prober.connections == 0


# --- Certificates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "facts", "expected"),
    [
        (PUBLIC, {}, None),
        (PUBLIC, {"days": -1.0, "begun": 60}, Flaw.EXPIRED),
        (PUBLIC, {"begun": -3}, Flaw.NOT_YET),
        (PUBLIC, {"by_itself": True}, Flaw.SELF_SIGNED),
        ("127.0.0.99", {}, Flaw.WRONG_HOST),
        ("other.example.com", {}, Flaw.WRONG_HOST),
    ],
)
def test_a_handshake_shows_what_is_wrong_with_a_certificate(
    tried: Tried, authority: Authority, host: str, facts: dict[str, Any], expected: Flaw | None
) -> None:
    tried.checks += 1
    tried.hosts.add(PUBLIC)
    with serving(PUBLIC, Tracardi(), authority.server(host, **facts)) as one:
        found = wire.certificate(PUBLIC, int(one.url.rpartition(":")[2]), 10)
    assert (found.trouble, found.flaw) == (None, expected)
    assert found.ends is not None
    assert found.names == (host,)


def test_an_authority_that_nobody_knows_is_told(
    tried: Tried, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried.checks += 1
    monkeypatch.delenv("SSL_CERT_FILE")
    with serving(PUBLIC, Tracardi(), authority.server(PUBLIC)) as one:
        found = wire.certificate(PUBLIC, int(one.url.rpartition(":")[2]), 10)
    assert found.flaw is Flaw.UNKNOWN_ISSUER


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        (until_hung_up, Trouble.LATE),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Trouble.TLS),
    ],
)
def test_what_speaks_no_tls_shows_no_certificate(
    tried: Tried, handle: Handle, expected: Trouble
) -> None:
    tried.checks += 1
    with raw(PUBLIC, handle) as port:
        assert wire.certificate(PUBLIC, port, 0.5).trouble is expected


def test_a_bad_certificate_keeps_nobody_from_asking(tried: Tried, authority: Authority) -> None:
    tried.paths += 1
    context = authority.server("other.example.com", days=-1.0, begun=60)
    with serving(PUBLIC, Tracardi(), context) as one:
        port = int(one.url.rpartition(":")[2])
        answer = wire.ask((PUBLIC, port), "GET", "/docs", secure=True, seconds=10)
    assert answer.status == 200


# --- Databases -----------------------------------------------------------------------------------

TRANSPORT = b"This is not an HTTP port"
LOCKED = (
    b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="security" charset="UTF-8"\r\n'
    b"Content-Length: 2\r\n\r\n{}"
)


def _port(number: int, seconds: float = 5.0, host: str = PUBLIC) -> Port:
    return wire.port(host, number, seconds, lambda: None)


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        (redis(), Speaks.REDIS),
        (redis(password=True), Speaks.REDIS),
        (says(TRANSPORT), Speaks.ELASTICSEARCH),
        (says(LOCKED), Speaks.ELASTICSEARCH),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Speaks.SOMETHING),
        (says(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), Speaks.SOMETHING),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), Speaks.SOMETHING),
        (says(), Speaks.SOMETHING),
    ],
)
def test_a_port_is_known_by_what_it_speaks(tried: Tried, handle: Handle, expected: Speaks) -> None:
    tried.checks += 1
    with raw(PUBLIC, handle) as port:
        assert _port(port) == Port(port, expected, PUBLIC)


def test_a_port_that_hangs_is_open_all_the_same(tried: Tried) -> None:
    tried.checks += 1
    with raw(PUBLIC, until_hung_up) as port:
        assert _port(port, 0.2).speaks is Speaks.SOMETHING


def test_a_closed_port_is_closed(tried: Tried) -> None:
    tried.checks += 1
    assert _port(closed_port(PUBLIC)).speaks is Speaks.NOTHING


def test_the_real_engine_is_known(tried: Tried, elasticsearch_url: str) -> None:
    tried.checks += 1
    host, _, port = elasticsearch_url.partition("://")[2].rstrip("/").partition(":")
    assert _port(int(port), host=host).speaks is Speaks.ELASTICSEARCH
