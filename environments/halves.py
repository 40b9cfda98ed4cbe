"""Leaves the production halves of credentials out of a document; pure.

Tracardi keeps two sets of credentials in one: `{production, test}`, of which a production uses
the one and a staging the other. That is so in `resource.credentials`, and for a remote plugin in a
flow's nodes, at `microservice.server.credentials`. Every other secret has no halves, and stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from environments.documents import (
    ENCODED_FIELDS,
    DocumentError,
    canonical,
    decoded,
    encode_field,
    parse,
)
from environments.masking import masked

HALF: Final = "production"
# By resource, the fields that may hold halves: decoded, the field itself or what is within.
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "resource": ("credentials",),
    "flow": ENCODED_FIELDS["flow"],
}
_SERVER: Final = ("microservice", "server", "credentials")


@dataclass(frozen=True)
class Halved:
    """A document without production halves. `left_out` are the places that held one.

    `keeps_secrets` says that it holds secrets all the same: test halves, and those without halves.
    """

    source: bytes
    left_out: tuple[str, ...]
    keeps_secrets: bool


def without_production(resource: str, source: bytes) -> Halved:
    """Return a document without the production halves of its credentials.

    Without any it is returned byte for byte.

    Raises:
        DocumentError: it cannot be read, or a field that may hold halves cannot be decoded, so that
            nobody can say whether it does.
    """
    value = parse(source)
    plain = decoded(resource, value)
    places: list[str] = []
    for name in _FIELDS.get(resource, ()):
        held = plain.get(name)
        if held is None or held == "":
            continue
        if isinstance(held, str):
            raise DocumentError(f"Its field {name} cannot be decoded.")
        path = _SERVER if resource == "resource" else ()
        without = _halved(held, path, name, places)
        if without != held:
            plain[name] = without
            value[name] = encode_field(without) if isinstance(value[name], str) else without
    keeps = masked(resource, plain) != plain
    return Halved(canonical(value) if places else source, tuple(places), keeps)


def _halved(value: Any, path: tuple[str, ...], place: str, places: list[str]) -> Any:
    if isinstance(value, Mapping):
        if path[-3:] == _SERVER and value.get(HALF):
            places.append(f"{place}.{HALF}")
            return {**value, HALF: {}}
        return {
            key: _halved(inner, (*path, key), f"{place}.{key}", places)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_halved(inner, path, f"{place}[]", places) for inner in value]
    return value
