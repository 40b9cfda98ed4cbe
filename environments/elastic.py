"""Connections to Elasticsearch and OpenSearch: the only module that opens them, by `wire`.

The client is elasticsearch-py before 7.14, which asks no server for its brand. It never retries
by itself: whether a request may be sent again is the caller's decision (a cutover never is).
"""

import re
import ssl
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

import elasticsearch
import msgspec
import urllib3
from django.conf import settings
from elasticsearch import Elasticsearch, serializer

from environments.addresses import BadAddressError
from environments.models import Cluster
from environments.wire import LARGEST_BYTES, GuardedConnection, TooLongError

_KIND: Final = re.compile(r"[a-z_]{1,100}")
_RESULTS: Final = frozenset({"not_found", "noop", "deleted", "updated", "created"})


class ElasticError(Exception):
    """A request to a cluster did not succeed. `str()` is fit for people and holds no secret."""


class Unreachable(ElasticError):
    """No answer: refused, reset, timed out, or no usable TLS. Whether it was applied is unknown."""


class NotJsonError(Unreachable):
    """Something answered, and not as an engine does."""


class Unauthorised(ElasticError):
    """The cluster refuses the user name, password or API key, or that user's rights.

    `status`, `kind` and `detail` are as those of `Refused`.
    """

    def __init__(self, message: str, status: int = 401, kind: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.detail = detail


class Refused(ElasticError):
    """The cluster answered with an error.

    `status` is the HTTP status, `kind` Elasticsearch's error type, `detail` its own words, `cause`
    those of what it came from at the very bottom, where it says so.
    """

    def __init__(self, message: str, status: int, kind: str, detail: str, cause: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.cause = cause

    @property
    def missing(self) -> bool:
        return self.status == 404

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later (overloaded, or not available just now)."""
        return self.status in {429, 502, 503, 504} and "FORBIDDEN" not in self.detail

    @property
    def short_of_memory(self) -> bool:
        """Whether one of the cluster's circuit breakers refused it: less may be given at once."""
        return self.kind == "circuit_breaking_exception"


class ForbiddenTarget(ElasticError):
    """The console may not connect to the cluster's address, and did not (environments.targets)."""


class AnswerTooLargeError(ElasticError):
    """The answer is more than was asked for at most, or than can be given. Ask for less."""


class _Fast(serializer.JSONSerializer):
    """Decodes in a third of the time: states of all indices, mappings included, are long."""

    def loads(self, s: str) -> Any:
        """Return the value.

        Raises:
            SerializationError: it is no JSON.
        """
        try:
            return msgspec.json.decode(s)
        except (UnicodeEncodeError, msgspec.DecodeError):
            # A surrogate that stands alone, as it is or escaped: a document's text may hold one.
            return super().loads(s)


class _Verbatim(serializer.JSONSerializer):
    """Leaves answers as text: the caller decodes them with the shape that it expects."""

    def loads(self, s: str) -> str:
        return s


class Requester(Protocol):
    """What sends one request and returns its decoded or verbatim answer."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> Any: ...


class Connection:
    """One cluster, reached with one set of credentials. Safe to share between threads."""

    def __init__(
        self,
        cluster: Cluster,
        most_bytes: int = LARGEST_BYTES,
        whole_seconds: float | None = None,
    ) -> None:
        self.name = cluster.name
        self.client = _client(cluster, _Fast(), most_bytes, whole_seconds)
        self._verbatim = _client(cluster, _Verbatim(), most_bytes, whole_seconds)
        self._bounded = _client(cluster, _Verbatim(), settings.LARGEST_ANSWER_BYTES)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return the decoded answer.

        `path` starts with a slash, and each of its parts is quoted already. `body` is a JSON
        value, or text for newline-separated JSON. `timeout` is in seconds.

        Raises:
            Unreachable, Unauthorised, Refused, ForbiddenTarget, AnswerTooLargeError.
        """
        return self._send(self.client, method, path, params, body, timeout)

    def verbatim(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> str:
        """Send one request and return the answer's text, byte for byte. Raises as `request`."""
        text: str = self._send(self._verbatim, method, path, params, body, timeout)
        return text

    def bounded(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
    ) -> str:
        """Do what `verbatim` does, with an answer of LARGEST_ANSWER_BYTES at most.

        Raises:
            AnswerTooLargeError: it is longer; besides what `request` raises.
        """
        text: str = self._send(self._bounded, method, path, params, body, None)
        return text

    def _send(
        self,
        client: Elasticsearch,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: object,
        timeout: float | None,
    ) -> Any:
        wanted: dict[str, Any] = dict(params or {})
        if timeout is not None:
            wanted["request_timeout"] = timeout
        try:
            return client.transport.perform_request(method, path, params=wanted, body=body)
        except elasticsearch.ConnectionError as error:
            if isinstance(error.info, TooLongError):
                raise AnswerTooLargeError(f"Cluster {self.name}: {error.info}") from None
            if isinstance(error.info, BadAddressError):
                raise ForbiddenTarget(
                    f"Cluster {self.name} was not connected to, and nothing was sent. {error.info}"
                ) from None
            raise Unreachable(self._unreachable(error)) from error
        except elasticsearch.TransportError as error:
            raise self._translated(error) from error
        except elasticsearch.SerializationError as error:
            raise NotJsonError(
                f"Cluster {self.name} answered with something that is not JSON. "
                "Check that its address is Elasticsearch's own and not a proxy's or a login page's."
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"Cluster {self.name} cannot be reached.") from error

    def _unreachable(self, error: elasticsearch.ConnectionError) -> str:
        if isinstance(error, elasticsearch.SSLError):
            why = "its TLS certificate is not accepted; check the certificate authority"
        elif isinstance(error, elasticsearch.ConnectionTimeout):
            why = "it did not answer in time"
        else:
            why = "nothing answers at its address"
        return f"Cluster {self.name} cannot be reached: {why}."

    def _translated(self, error: elasticsearch.TransportError) -> ElasticError:
        status = error.status_code if isinstance(error.status_code, int) else 0
        kind, detail = _words(error.info)
        if status in {401, 403} and "block" not in kind:
            return Unauthorised(
                f"Cluster {self.name} refuses the console's credentials or their rights "
                f"(HTTP {status}: {kind or 'no details'}).",
                status,
                kind,
                detail,
            )
        return Refused(
            f"Cluster {self.name} answered HTTP {status}: {kind or 'error'}"
            f"{f': {detail[:500]}' if detail else ''}",
            status,
            kind,
            detail,
            _bottom(error.info) if kind else "",
        )


def _bottom(info: object) -> str:
    """Return the words at the bottom of an error answer's chain of causes."""
    info = _decoded(info)
    found = info.get("error") if isinstance(info, dict) else None
    while isinstance(found, dict) and isinstance(found.get("caused_by"), dict):
        found = found["caused_by"]
    return str(found.get("reason") or "") if isinstance(found, dict) else ""


def _decoded(info: object) -> object:
    if not isinstance(info, str):
        return info
    try:
        decoded: object = serializer.JSONSerializer().loads(info)
    except elasticsearch.SerializationError:
        return None
    return decoded


def _words(info: object) -> tuple[str, str]:
    """Return Elasticsearch's error type and reason out of an error answer, decoded or text.

    Nothing of what another kind of server answers: a person who may enter an address must not read
    pages of the network by it.
    """
    info = _decoded(info)
    if not isinstance(info, dict):
        return "", ""
    problem = info.get("error")
    if isinstance(problem, dict):
        causes = problem.get("root_cause")
        cause = causes[0] if isinstance(causes, list) and causes else {}
        if not isinstance(cause, dict):
            return "", ""
        if problem.get("type") == "search_phase_execution_exception":
            # It says "all shards failed" and no more: why is told by the shard.
            problem = {**problem, **cause}
        kind = str(problem.get("type") or "")
        if not _KIND.fullmatch(kind):
            return "", ""
        return kind, str(problem.get("reason") or cause.get("reason") or "")
    if isinstance(problem, str) and isinstance(info.get("status"), int):
        return "", problem
    result = info.get("result")
    return "", result if result in _RESULTS else ""


def _client(
    cluster: Cluster,
    answers: serializer.JSONSerializer,
    most_bytes: int,
    whole_seconds: float | None = None,
) -> Elasticsearch:
    options: dict[str, Any] = {}
    if cluster.authentication == Cluster.Authentication.BASIC:
        options["http_auth"] = (cluster.username, cluster.secret)
    elif cluster.authentication == Cluster.Authentication.API_KEY:
        # The client wants the pair; a key without a colon is the ready-made base64 form.
        key: str = cluster.secret
        options["api_key"] = tuple(key.split(":", 1)) if ":" in key else key
    if cluster.url.startswith("https:"):
        options["ssl_context"] = ssl.create_default_context(cadata=cluster.ca_certificate or None)
    return Elasticsearch(
        [cluster.url],
        connection_class=partial(
            GuardedConnection, most_bytes=most_bytes, whole_seconds=whole_seconds
        ),
        serializer=answers,
        timeout=settings.ELASTICSEARCH_TIMEOUT_SECONDS,
        max_retries=0,
        retry_on_timeout=False,
        maxsize=16,
        http_compress=False,
        **options,
    )


_connections: dict[tuple[object, ...], Connection] = {}
# Of each cluster that is saved, the credentials that it is reached with at present.
_present: dict[object, tuple[object, ...]] = {}
_guard = threading.Lock()


def connect(cluster: Cluster) -> Connection:
    """Return the connection to `cluster`, shared while its address and credentials stay the same.

    Opens nothing yet: the first request does. Of a saved cluster the one with earlier credentials
    is let go, and what was sent on it before goes on to its end.
    """
    key = (
        cluster.url,
        cluster.authentication,
        cluster.username,
        cluster.secret,
        cluster.ca_certificate,
        cluster.name,
    )
    with _guard:
        if key not in _connections:
            _connections[key] = Connection(cluster)
        if cluster.pk is not None:
            before = _present.get(cluster.pk, key)
            _present[cluster.pk] = key
            if before != key and before not in _present.values():
                _connections.pop(before, None)
        return _connections[key]
