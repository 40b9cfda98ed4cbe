"""Why a cluster cannot be used as it was entered, told apart by what came of asking it.

Nothing that a foreign server said is repeated but an engine's version and the right that it names.
Where it is asked twice to tell one fault from another, no credentials are sent.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import Final

from environments.addresses import BadAddressError, host_and_port
from environments.elastic import (
    ElasticError,
    ForbiddenTarget,
    NotJsonError,
    Refused,
    Unauthorised,
    Unreachable,
)
from environments.models import Cluster
from environments.targets import open_socket

_PROBE_SECONDS: Final = 3
# Both engines name the action that is refused, each in its own words.
_ACTION: Final = re.compile(r"(?:action|permissions for) \[([a-z][a-z0-9:_/*\[\]]{0,100}?)\]")
_GRANTED: Final = re.compile(r"granted by the (?:cluster|index) privileges \[([a-z_,]{1,200})\]")
_EXPIRED, _NOT_YET = 10, 9
_WRONG_NAME: Final = frozenset({62, 64})
_UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
CORRECT: Final = "Correct the address."
PEM: Final = "Give the certificate of the authority that signed the cluster's, as PEM."
ENGINE_ROLE: Final = "manage.py engine-role"


class Fault(StrEnum):
    """Why a cluster cannot be used as it was entered."""

    NAME_UNKNOWN = "name-unknown"
    NOTHING_LISTENS = "nothing-listens"
    NO_WAY = "no-way"
    TIME_OUT = "time-out"
    FORBIDDEN_TARGET = "forbidden-target"
    TLS_AUTHORITY = "tls-authority"
    TLS_NAME = "tls-name"
    TLS_EXPIRED = "tls-expired"
    TLS_NOT_YET = "tls-not-yet"
    TLS_OTHER = "tls-other"
    SPEAKS_HTTP = "speaks-http"
    SPEAKS_TLS = "speaks-tls"
    BROKE_OFF = "broke-off"
    CREDENTIALS_WRONG = "credentials-wrong"
    CREDENTIALS_MISSING = "credentials-missing"
    RIGHTS = "rights"
    REFUSED_BY_OTHER = "refused-by-other"
    LEADS_ELSEWHERE = "leads-elsewhere"
    NOT_JSON = "not-json"
    OTHER_SERVER = "other-server"
    BUSY = "busy"
    NOT_FORMED = "not-formed"
    ENGINE = "engine"
    OTHER_CLUSTER = "other-cluster"
    BAD_CA = "bad-ca"
    BAD_KEY = "bad-key"
    BAD_NAME = "bad-name"


class TrialError(Exception):
    """The trial failed. `what` and `todo` are for people, `field` is the one of the form at fault.

    `str()` holds no secret, and nothing that a foreign server said.
    """

    def __init__(self, fault: Fault, what: str, todo: str, field: str = "url") -> None:
        super().__init__(f"{what} {todo}")
        self.fault = fault
        self.what = what
        self.todo = todo
        self.field = field

    @property
    def in_a_form(self) -> str:
        """What a form says."""
        return f"{self.what} Nothing was saved. {self.todo}"


def judged(cluster: Cluster, error: ElasticError, seconds: float) -> TrialError:
    """Return the fault that an error of the connection is; `seconds` were waited for an answer."""
    if isinstance(error, ForbiddenTarget):
        cause = next((one for one in _causes(error) if isinstance(one, BadAddressError)), None)
        what, todo = (cause.what, cause.todo) if cause else (str(error), CORRECT)
        return TrialError(Fault.FORBIDDEN_TARGET, f"{what} Nothing was sent.", todo)
    if isinstance(error, Unauthorised):
        return _unauthorised(cluster, error)
    if isinstance(error, Refused):
        return _refused(cluster, error)
    if isinstance(error, NotJsonError):
        return _speaks_tls_or(
            cluster,
            TrialError(
                Fault.NOT_JSON,
                "What is behind this address answers with a page, and not as an engine does: "
                "perhaps a page to sign in, of a proxy in front of it.",
                "Give the address of the engine itself.",
            ),
        )
    if isinstance(error, Unreachable):
        return _unreachable(cluster, error, seconds)
    return TrialError(
        Fault.OTHER_SERVER,
        "What is behind this address answers with more than an engine does.",
        CORRECT,
    )


def _unauthorised(cluster: Cluster, error: Unauthorised) -> TrialError:
    if error.status == 401:
        if cluster.authentication == Cluster.Authentication.NONE:
            return TrialError(
                Fault.CREDENTIALS_MISSING,
                "What is behind this address asks who you are (HTTP 401), and no credentials were "
                "given.",
                "Choose how to sign in, and give a user name and password, or an API key.",
                "authentication",
            )
        what = (
            "user name or password"
            if cluster.authentication == Cluster.Authentication.BASIC
            else "API key"
        )
        return TrialError(
            Fault.CREDENTIALS_WRONG,
            f"What is behind this address does not accept the {what} (HTTP 401).",
            "Type it again, and see that the engine has it and that it has not expired.",
            "new_secret",
        )
    action = _ACTION.search(error.detail)
    if error.kind != "security_exception" and action is None:
        return TrialError(
            Fault.REFUSED_BY_OTHER,
            "What is behind this address refuses the console (HTTP 403), and not as an engine "
            "does: perhaps a proxy or a firewall in front of it.",
            "Let the console's machine pass there, or give the address of the engine itself.",
        )
    granted = _GRANTED.search(error.detail)
    right = f" The right to {action[1]} is missing" if action else " A right is missing"
    by = f", which one of these gives: {granted[1].replace(',', ', ')}" if granted else ""
    return TrialError(
        Fault.RIGHTS,
        f"The credentials are accepted, and allow too little (HTTP 403).{right}{by}.",
        f"Give this user the role that {ENGINE_ROLE} prints (docs/connect.md), then try again.",
        "new_secret",
    )


def _refused(cluster: Cluster, error: Refused) -> TrialError:
    if 300 <= error.status < 400:
        return TrialError(
            Fault.LEADS_ELSEWHERE,
            f"What is behind this address leads elsewhere (HTTP {error.status}), as no engine "
            "does: perhaps a page to sign in, or dashboards.",
            "The console follows nothing. Give the address of the engine itself.",
        )
    if error.status in {429, 502, 503, 504}:
        return TrialError(
            Fault.BUSY,
            f"What is behind this address cannot answer just now (HTTP {error.status}).",
            "Look at the engine's log and at a proxy in front of it, then try again.",
        )
    other = TrialError(
        Fault.OTHER_SERVER,
        # Not in its own words: they may be a page that this person could not read otherwise.
        f"What is behind this address answered HTTP {error.status}, as no Elasticsearch does that "
        "can be used.",
        CORRECT,
    )
    # A server of TLS may say so to who speaks without.
    return _speaks_tls_or(cluster, other) if error.status == 400 else other


def _unreachable(cluster: Cluster, error: Unreachable, seconds: float) -> TrialError:
    where = _where(cluster.url)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cluster, cause)
        if isinstance(cause, socket.gaierror):
            return TrialError(
                Fault.NAME_UNKNOWN,
                f"The name {host_and_port(cluster.url)[0]} cannot be looked up.",
                "Correct it, or see that the console's machine knows it.",
            )
        if isinstance(cause, TimeoutError):
            return too_slow(cluster, seconds)
        if isinstance(cause, ConnectionRefusedError):
            return TrialError(
                Fault.NOTHING_LISTENS,
                f"Nothing listens at {where}.",
                "Correct host and port, or start the engine.",
            )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return _without_certificate(cluster)
    if any(isinstance(cause, OSError) and not _is_broken(cause) for cause in causes):
        return TrialError(
            Fault.NO_WAY,
            f"No way leads from the console's machine to {where}.",
            "Correct the address, or see to the network between them.",
        )
    return _speaks_tls_or(
        cluster,
        TrialError(
            Fault.BROKE_OFF,
            f"{where} took the connection and ended it without an answer.",
            "Correct the address. If a proxy stands there, see that it leads to the engine.",
        ),
    )


def too_slow(cluster: Cluster, seconds: float) -> TrialError:
    """Return the fault of a server that did not answer in so many seconds."""
    return TrialError(
        Fault.TIME_OUT,
        f"{_where(cluster.url)} did not answer in {seconds:g} seconds.",
        "Correct the address, or let the console's machine through a firewall to it.",
    )


def _is_broken(error: OSError) -> bool:
    return isinstance(error, ConnectionError)


def _certificate(cluster: Cluster, error: ssl.SSLCertVerificationError) -> TrialError:
    host, where = host_and_port(cluster.url)[0], _where(cluster.url)
    code = error.verify_code
    if code in _WRONG_NAME:
        return TrialError(
            Fault.TLS_NAME,
            f"The certificate of {where} is for another name than {host}.",
            "Give the address by the name in the certificate, or have one made for this name.",
        )
    if code == _EXPIRED:
        return TrialError(
            Fault.TLS_EXPIRED,
            f"The certificate of {where} has expired, or that of its authority.",
            "Renew it on the cluster. If the clock of the console's machine is wrong, set it.",
        )
    if code == _NOT_YET:
        return TrialError(
            Fault.TLS_NOT_YET,
            f"The certificate of {where} is not valid yet.",
            "See that the clocks of the console's machine and of the cluster are right.",
        )
    if code in _UNKNOWN_AUTHORITY:
        given = cluster.ca_certificate.strip()
        by = "is not the one that was given" if given else "is none that this machine knows"
        todo = PEM if given else f"{PEM} Elasticsearch writes it to http_ca.crt."
        return TrialError(
            Fault.TLS_AUTHORITY,
            f"The authority that signed the certificate of {where} {by}.",
            todo,
            "ca_certificate",
        )
    return TrialError(
        Fault.TLS_OTHER,
        f"The certificate of {where} is not accepted.",
        "See that the cluster sends it with all certificates between it and the authority's.",
    )


def _without_certificate(cluster: Cluster) -> TrialError:
    """Say why no TLS came about, though no certificate was at fault."""
    where = _where(cluster.url)
    if _speaks_http(cluster.url):
        return TrialError(
            Fault.SPEAKS_HTTP,
            f"{where} speaks plain HTTP, and the address says https.",
            "Write http:// if that is meant, or switch TLS on in the cluster.",
        )
    return TrialError(
        Fault.TLS_OTHER,
        f"No encrypted connection to {where} comes about.",
        "See that the server speaks TLS 1.2 or newer and asks for no certificate of the console's.",
    )


def _speaks_tls_or(cluster: Cluster, other: TrialError) -> TrialError:
    if not cluster.url.lower().startswith("http:") or not _speaks_tls(cluster.url):
        return other
    return TrialError(
        Fault.SPEAKS_TLS,
        f"{_where(cluster.url)} speaks TLS, and the address says http.",
        "Write https:// before it.",
    )


def _speaks_tls(url: str) -> bool:
    """Answer whether a server takes TLS up. Whose it is does not matter: nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = host_and_port(url)
    try:
        with (
            closing(open_socket(host, port, _PROBE_SECONDS)) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        # It wants one from us, so it speaks it.
        return "CERTIFICATE_REQUIRED" in (error.reason or "")
    except (BadAddressError, OSError):
        return False


def _speaks_http(url: str) -> bool:
    host, port = host_and_port(url)
    try:
        with closing(open_socket(host, port, _PROBE_SECONDS)) as plain:
            plain.sendall(f"HEAD / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return plain.recv(5) == b"HTTP/"
    except (BadAddressError, OSError):
        return False


def _where(url: str) -> str:
    host, port = host_and_port(url)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it holds or was raised from, whichever library wrapped it."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [*one.args, one.__cause__, one.__context__]
        waiting += [each for each in inner if isinstance(each, BaseException)]
