"""Reads members of documents that may hold anything, whatever their kind should be.

Pure: no Django, no I/O.
"""

from collections.abc import Mapping
from typing import Any

NO_DESCRIPTION = "No description provided"


def words(value: object) -> str:
    """Return a text without white space around it; empty where it is none."""
    return value.strip() if isinstance(value, str) else ""


def items(value: object) -> list[Any]:
    """Return a list; one value alone is a list of it, and nothing is an empty one."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def inner(value: object, *names: str) -> object:
    """Return the member that names lead to, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def named(value: object) -> tuple[str, str]:
    """Return id and name of a {"id", "name"} or of an id alone; empty where there is none."""
    if isinstance(value, str):
        return words(value), ""
    return words(inner(value, "id")), words(inner(value, "name"))


def all_named(value: object) -> list[tuple[str, str]]:
    """Return id and name of each of a list that has an id."""
    return [found for one in items(value) if (found := named(one))[0]]


def referred(value: object) -> str:
    """Return what a {"ref", "value"} or a text holds, such as `event@properties.email`."""
    return words(value) or words(inner(value, "value"))


def is_off(source: Mapping[str, Any]) -> bool:
    """Say whether a document is switched off."""
    return source.get("enabled") is False


def description(source: Mapping[str, Any]) -> str:
    """Return what its makers wrote about it; Tracardi's own words for nothing are nothing."""
    text = words(source.get("description"))
    return "" if text == NO_DESCRIPTION else text
