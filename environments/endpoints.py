"""Which of Tracardi's addresses the public must reach, and which never. Pure.

Read from the sources of its API (0.8): `EXPOSE_GUI_API=no` takes what is for its GUI out of the
schema and makes each that asks for a role answer 403 to whoever sends a token; without one it is
401 either way. It leaves what asks for none: the answer to /healthcheck repeats the request's
headers, /info/version names the version, /info/version/details the licence's holder too, and /docs
and /openapi.json stay where they are. So a proxy has to close what the setting does not.

Every answer that went through Tracardi has the header `X-Process-Time`. A browser's question before
a request, OPTIONS with `Origin`, is answered 200 for each path, be it there or not.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Endpoint:
    """Some addresses of Tracardi's API: `pattern` matches each whole path, `sample` is one of them.

    `asked_by` is the method of a harmless request: no answer of it changes anything.
    """

    name: str
    pattern: str
    methods: tuple[str, ...]
    sample: str
    asked_by: str = "GET"
    why: str = ""

    def matches(self, method: str, path: str) -> bool:
        return method in self.methods and re.fullmatch(self.pattern, path) is not None


# An id of an event source, a session or a redirect; a type of events.
_PART: Final = r"[^/]+"
# OPTIONS is what a browser asks first, from a shop's page of another origin.
COLLECTOR: Final = (
    Endpoint(
        "track",
        r"/track",
        ("POST", "PATCH", "OPTIONS"),
        "/track",
        "OPTIONS",
        "visits, from shops and their servers",
    ),
    Endpoint(
        "collect",
        rf"/collect/{_PART}/{_PART}(?:/{_PART})?/?",
        ("GET", "POST", "OPTIONS"),
        "/collect/console-check/console-check",
        "OPTIONS",
        "web hooks: one event by its address",
    ),
    Endpoint(
        "redirect",
        rf"/redirect/{_PART}(?:/{_PART})?",
        ("GET", "POST", "PUT", "DELETE", "OPTIONS"),
        "/redirect/console-check",
        "OPTIONS",
        "links that record an event and lead on",
    ),
    Endpoint(
        "tracker",
        r"/tracker(?:/.*)?",
        ("GET", "HEAD"),
        "/tracker/index.html",
        "GET",
        "the script that shops' pages load",
    ),
    Endpoint(
        "uix",
        r"/uix(?:/.*)?",
        ("GET", "HEAD"),
        "/uix/consent/index.js",
        "GET",
        "what flows show on shops' pages",
    ),
    Endpoint(
        "customer-consent",
        r"/customer/consent",
        ("POST", "OPTIONS"),
        "/customer/consent",
        "OPTIONS",
        "what visitors agree to",
    ),
)

_ALL: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def _closed(name: str, sample: str, why: str, asked_by: str = "GET") -> Endpoint:
    return Endpoint(name, rf"{re.escape(sample)}(?:/.*)?", _ALL, sample, asked_by, why)


# What a stranger would look for first; everything that COLLECTOR does not name is to be closed too.
CLOSED: Final = (
    _closed("docs", "/docs", "the description of the whole API, with a form to try it"),
    _closed("redoc", "/redoc", "the description of the whole API"),
    _closed("openapi", "/openapi.json", "the description of the whole API, for programs"),
    _closed("token", "/user/token", "signing in to Tracardi"),
    _closed("users", "/users", "Tracardi's accounts"),
    _closed("flows", "/flows", "workflows"),
    _closed("flow", "/flow/metadata", "workflows"),
    _closed("rules", "/rules", "rules"),
    _closed("resources", "/resources", "resources, with credentials of other systems"),
    _closed("event-sources", "/event-sources", "event sources"),
    _closed("destinations", "/destinations", "destinations"),
    _closed("segments", "/segments", "segments"),
    _closed("profiles", "/profile/select", "people's profiles"),
    _closed("events", "/event/select", "people's events"),
    _closed("settings", "/settings", "settings of the server"),
    # No route of the API knows HEAD. A GET would ask the engine, and one below it installs plugins.
    _closed("install", "/install", "installing Tracardi, which makes its first admin", "HEAD"),
    _closed("deploy", "/deploy", "copying the configuration past this console"),
    _closed("healthcheck", "/healthcheck", "an answer that repeats the request's headers"),
    _closed("version", "/info/version", "the version, which says what holes it has"),
    _closed("details", "/info/version/details", "who holds the licence, and until when"),
    _closed("metrics", "/metrics", "the server's own figures"),
)


def is_open(method: str, path: str) -> bool:
    """Answer whether the public must reach a path by a method."""
    return any(one.matches(method, path) for one in COLLECTOR)
