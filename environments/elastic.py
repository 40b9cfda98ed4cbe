"""Connections to Elasticsearch and OpenSearch: the only module that opens them.

The client is elasticsearch-py before 7.14, which asks no server for its brand. It never retries
by itself: whether a request may be sent again is the caller's decision (a cutover never is).
"""

import ssl
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import elasticsearch
import msgspec
import urllib3
from django.conf import settings
from elasticsearch import Elasticsearch, serializer
from elasticsearch.connection import Urllib3HttpConnection

from environments.models import Cluster


class ElasticError(Exception):
    """A request to a cluster did not succeed. `str()` is fit for people and holds no secret."""


class Unreachable(ElasticError):
    """No answer: refused, reset, timed out, or no usable TLS. Whether it was applied is unknown."""


class Unauthorised(ElasticError):
    """The cluster refuses the user name, password or API key, or that user's rights."""


class Refused(ElasticError):
    """The cluster answered with an error.

    `status` is the HTTP status, `kind` Elasticsearch's error type, `detail` its own words.
    """

    def __init__(self, message: str, status: int, kind: str, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.detail = detail

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


class AnswerTooLargeError(ElasticError):
    """The answer is more than was asked for at most, or than can be given. Ask for less."""


class _Bounded(Urllib3HttpConnection):
    """Reads no answer that is longer than a bound: a page of documents can be of any length."""

    def __init__(self, *args: Any, most_bytes: int, **rest: Any) -> None:
        super().__init__(*args, **rest)
        pool, send = self.pool, self.pool.urlopen

        def urlopen(*words: Any, **options: Any) -> Any:
            answer = send(*words, **options, preload_content=False)
            # The engine always tells it, for an answer that it does not compress.
            length = int(answer.headers.get("content-length") or 0)
            if length > most_bytes:
                # Unread, so the connection is of no further use.
                answer.close()
                raise AnswerTooLargeError(f"An answer has {length:,} bytes.")
            # Reads it, and gives the connection back.
            _body = answer.data
            return answer

        pool.urlopen = urlopen


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

    def __init__(self, cluster: Cluster) -> None:
        self.name = cluster.name
        self.client = _client(cluster, _Fast())
        self._verbatim = _client(cluster, _Verbatim())
        self._bounded = _client(
            cluster,
            _Verbatim(),
            connection_class=partial(_Bounded, most_bytes=settings.LARGEST_ANSWER_BYTES),
        )

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
            Unreachable, Unauthorised, Refused.
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
            if isinstance(error.info, AnswerTooLargeError):
                raise error.info from None
            raise Unreachable(self._unreachable(error)) from error
        except elasticsearch.TransportError as error:
            raise self._translated(error) from error
        except elasticsearch.SerializationError as error:
            raise Unreachable(
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
                f"(HTTP {status}: {kind or 'no details'})."
            )
        return Refused(
            f"Cluster {self.name} answered HTTP {status}: {kind or 'error'}: {detail[:500]}",
            status,
            kind,
            detail,
        )


def _words(info: object) -> tuple[str, str]:
    """Return Elasticsearch's error type and reason out of an error answer, decoded or text."""
    if isinstance(info, str):
        try:
            info = serializer.JSONSerializer().loads(info)
        except elasticsearch.SerializationError:
            return "", str(info)[:500]
    if not isinstance(info, dict):
        return "", ""
    problem = info.get("error")
    if isinstance(problem, dict):
        causes = problem.get("root_cause") or [{}]
        if problem.get("type") == "search_phase_execution_exception":
            # It says "all shards failed" and no more: why is told by the shard.
            problem = {**problem, **causes[0]}
        reason = problem.get("reason") or causes[0].get("reason")
        return str(problem.get("type") or ""), str(reason or "")
    return "", str(problem or info.get("result") or "")


def _client(cluster: Cluster, answers: serializer.JSONSerializer, **options: Any) -> Elasticsearch:
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
        serializer=answers,
        timeout=settings.ELASTICSEARCH_TIMEOUT_SECONDS,
        max_retries=0,
        retry_on_timeout=False,
        maxsize=16,
        http_compress=False,
        **options,
    )


_connections: dict[tuple[object, ...], Connection] = {}
_guard = threading.Lock()


def connect(cluster: Cluster) -> Connection:
    """Return the connection to `cluster`, shared while its address and credentials stay the same.

    Opens nothing yet: the first request does.
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
        return _connections[key]
