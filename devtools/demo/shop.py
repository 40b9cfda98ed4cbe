"""The shop's configuration: staging's as described in `configuration/`, production's a bit older.

The files hold each resource's documents by id, decoded; flows are short descriptions.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from devtools.demo import Document, flows
from environments.catalogue import catalogue_for
from environments.documents import ENCODED_FIELDS, encode_field
from environments.naming import Side

VERSION = "0.8.1"
_FOLDER = Path(__file__).parent / "configuration"
# What production does not have yet.
_NEW_ON_STAGING: Mapping[str, frozenset[str]] = {
    "flow": frozenset({"flow-basket", "flow-stock"}),
    "rule": frozenset({"rule-basket", "rule-stock"}),
    "segment": frozenset({"seg-basket-abandoners"}),
}
_Plain = dict[str, dict[str, Any]]


def _described(resource: str) -> _Plain:
    loaded = json.loads((_FOLDER / f"{resource}.json").read_text())
    if resource == "flow":
        return {flow["id"]: flow for flow in loaded}
    plain: _Plain = loaded
    return plain


def _make_older(resource: str, plain: _Plain) -> None:
    """Turn staging's decoded documents into what production still has."""
    for doc_id in _NEW_ON_STAGING.get(resource, ()):
        del plain[doc_id]
    if resource == "rule":
        plain["rule-order-store"].update(
            name="Store receipt → follow-up",
            description="",
            flow={"id": "flow-order", "name": "Order follow-up"},
            properties=None,
        )
    elif resource == "destination":
        del plain["dest-crm"]["mapping"]["segments"]
        plain["dest-crm"]["destination"]["init"]["timeout"] = 10
    elif resource == "event-source":
        # Each installation writes this one anew, at each start.
        [heartbeats] = [source for doc_id, source in plain.items() if doc_id.startswith("@@")]
        heartbeats["timestamp"] = "2026-11-05T05:00:09.118672"


def _encoded(resource: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    if resource == "flow":
        return flows.document(plain)
    hidden = ENCODED_FIELDS.get(resource, ())
    return {
        key: encode_field(value) if key in hidden and value is not None else value
        for key, value in plain.items()
    }


def configuration(side: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return (id, source) of each document of all promoted resources; `side` is a `Side`."""
    older = Side(side) is Side.PRODUCTION
    found = {}
    for resource in catalogue_for(VERSION).promoted:
        plain = _described(resource.name)
        if older:
            _make_older(resource.name, plain)
        found[resource.name] = [
            (doc_id, _encoded(resource.name, source)) for doc_id, source in plain.items()
        ]
    return found


def documents(side: str) -> Iterator[Document]:
    """Yield the same as `configuration`, ready to be loaded."""
    for resource, found in configuration(side).items():
        for doc_id, source in found:
            yield Document(resource, None, doc_id, source)


def shared() -> Iterator[Document]:
    """Yield the documents of the indices that staging and production share."""
    for doc_id, source in _described("bridge").items():
        yield Document("bridge", None, doc_id, source)


def _raise_threshold(plain: dict[str, Any], number: int) -> None:
    amount = 600 + 50 * number
    plain["condition"] = f"profile@data.metrics.ltv > {amount}"
    plain["description"] = f"Bought for more than {amount} euros in all."


def _rewrite_letter(plain: dict[str, Any], number: int) -> None:
    message = plain["nodes"]["letter"][3]["mail"]["message"]
    message["content"] = f"Thank you. We pack it within {number + 1} hours."


def _describe_rule(plain: dict[str, Any], number: int) -> None:
    plain["description"] = f"Greets whoever opens an account, since campaign {number}."
    plain["tags"] = ["Customers", f"campaign-{number}"]


def _lengthen_timeout(plain: dict[str, Any], number: int) -> None:
    plain["destination"]["init"]["timeout"] = 30 + 5 * number


_CHANGES: tuple[tuple[str, str, Callable[[dict[str, Any], int], None]], ...] = (
    ("segment", "seg-big-spenders", _raise_threshold),
    ("flow", "flow-order", _rewrite_letter),
    ("rule", "rule-sign-up", _describe_rule),
    ("destination", "dest-warehouse", _lengthen_timeout),
)


def change(number: int) -> tuple[str, str, dict[str, Any]]:
    """Return (resource, id, source) of a small edit to make on staging.

    Each `number` from 1 on gives another edit; four in a row are of four resources.

    Raises:
        ValueError: `number` is less than 1.
    """
    if number < 1:
        raise ValueError(f"Changes are numbered from 1, not {number}.")
    resource, doc_id, edit = _CHANGES[(number - 1) % len(_CHANGES)]
    return edited(resource, doc_id, lambda plain: edit(plain, number))


def edited(
    resource: str, doc_id: str, edit: Callable[[dict[str, Any]], None]
) -> tuple[str, str, dict[str, Any]]:
    """Return (resource, id, source) of a document as staging has it at first, edited."""
    plain = _described(resource)[doc_id]
    edit(plain)
    return resource, doc_id, _encoded(resource, plain)
