"""Which kinds of Tracardi documents exist, and what the console does with each.

Pure: no Django, no I/O. Facts are from docs/tracardi.md, measured on Tracardi 0.8.1 and 0.8.2.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class UnknownVersionError(ValueError):
    """No catalogue for that Tracardi version."""


class UnknownResourceError(KeyError):
    """No resource of that name in the catalogue."""


class Policy(StrEnum):
    PROMOTED = "promoted"
    PROTECTED = "protected"
    SHARED = "shared"


@dataclass(frozen=True)
class Resource:
    """One kind of document.

    `storage` is its part of an index name; `partitioned` says that a template makes an index a
    month, quarter or year; `label` is the plural for people.
    """

    name: str
    storage: str
    policy: Policy
    label: str
    partitioned: bool = False


@dataclass(frozen=True)
class Catalogue:
    """All resources of one Tracardi version. `prefix` starts its index names."""

    version: str
    prefix: str
    resources: tuple[Resource, ...]

    @cached_property
    def _by_name(self) -> dict[str, Resource]:
        return {resource.name: resource for resource in self.resources}

    @cached_property
    def _by_storage(self) -> dict[str, Resource]:
        return {resource.storage: resource for resource in self.resources}

    def get(self, name: str) -> Resource:
        """Return the resource called `name`.

        Raises:
            UnknownResourceError: there is none.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownResourceError(
                f"Tracardi {self.version} has no resource called {name!r}."
            ) from None

    def by_storage(self, storage: str) -> Resource | None:
        """Return the resource stored under `storage`, or None."""
        return self._by_storage.get(storage)

    def _with(self, policy: Policy) -> tuple[Resource, ...]:
        return tuple(resource for resource in self.resources if resource.policy is policy)

    @cached_property
    def promoted(self) -> tuple[Resource, ...]:
        return self._with(Policy.PROMOTED)

    @cached_property
    def protected(self) -> tuple[Resource, ...]:
        return self._with(Policy.PROTECTED)

    @cached_property
    def shared(self) -> tuple[Resource, ...]:
        return self._with(Policy.SHARED)


_PROMOTED = (
    ("entity-list", "tracardi-entity-list", "Entity lists"),
    ("resource", "tracardi-resource", "Resources"),
    ("event-source", "tracardi-source", "Event sources"),
    ("event-redirect", "tracardi-event-redirect", "Event redirects"),
    ("flow", "tracardi-flow", "Flows"),
    ("rule", "tracardi-rule", "Rules"),
    ("segment", "tracardi-segment", "Segments"),
    ("live-segment", "tracardi-live-segment", "Live segments"),
    ("content", "tracardi-content", "Contents"),
    ("setting", "tracardi-setting", "Settings"),
    ("event-management", "tracardi-event-management", "Event types"),
    ("event-to-profile", "tracardi-event_to_profile", "Event to profile mappings"),
    ("event-tags", "tracardi-events-tags", "Event tags"),
    ("consent-type", "tracardi-consent-type", "Consent types"),
    ("consent-data-compliance", "tracardi-consent-data-compliance", "Data compliance"),
    ("event-reshaping", "tracardi-event-reshaping", "Event reshaping"),
    ("event-validation", "tracardi-event-validation", "Event validation"),
    ("destination", "tracardi-destination", "Destinations"),
    ("report", "tracardi-report", "Reports"),
    ("identification-point", "tracardi-identification-point", "Identification points"),
)
_PROTECTED_BOTH = (
    ("event", "tracardi-event", "Events", True),
    ("profile", "tracardi-profile", "Profiles", True),
    ("session", "tracardi-session", "Sessions", True),
    ("item", "tracardi-item", "Items", True),
    ("log", "tracardi-log", "Logs", True),
    ("user-log", "tracardi-user-log", "User logs", True),
    ("debug-info", "tracardi-debug-info", "Debug information", False),
    ("user", "tracardi-user", "Users", False),
    ("tracardi-pro", "tracardi-pro", "Tracardi Pro", False),
    ("import", "tracardi-import", "Imports", False),
    ("task", "tracardi-task", "Tasks", False),
    ("version", "tracardi-version", "Versions", False),
    # Tracardi's own deploy copies it, but it is the state of a running server.
    ("heartbeats", "tracardi-heartbeats", "Heartbeats", False),
)
_PROTECTED_081 = (
    ("entity", "tracardi-entity", "Entities", False),
    ("console-log", "tracardi-console-log", "Console logs", False),
)
_PROTECTED_082 = (
    ("entity", "tracardi-entity", "Entities", True),
    ("console-log", "tracardi-console-log", "Console logs", True),
    ("dispatch-log", "tracardi-dispatch-log", "Dispatch logs", True),
    ("field-update-log", "tracardi-field-update-log", "Field update logs", True),
)
_SHARED = (
    ("bridge", "tracardi-bridge", "Bridges"),
    ("flow-action-plugins", "tracardi-flow-action-plugins", "Flow action plugins"),
)


def _catalogue(
    version: str, prefix: str, protected: tuple[tuple[str, str, str, bool], ...]
) -> Catalogue:
    return Catalogue(
        version,
        prefix,
        (
            *(Resource(n, s, Policy.PROMOTED, label) for n, s, label in _PROMOTED),
            *(Resource(n, s, Policy.PROTECTED, label, p) for n, s, label, p in protected),
            *(Resource(n, s, Policy.SHARED, label) for n, s, label in _SHARED),
        ),
    )


CATALOGUES: dict[str, Catalogue] = {
    "0.8.1": _catalogue("0.8.1", "08x", _PROTECTED_BOTH + _PROTECTED_081),
    "0.8.2": _catalogue("0.8.2", "0820", _PROTECTED_BOTH + _PROTECTED_082),
}
SUPPORTED_VERSIONS: tuple[str, ...] = tuple(CATALOGUES)


def catalogue_for(version: str) -> Catalogue:
    """Return the catalogue of a Tracardi version.

    Raises:
        UnknownVersionError: the console does not know that version.
    """
    try:
        return CATALOGUES[version]
    except KeyError:
        known = ", ".join(SUPPORTED_VERSIONS)
        raise UnknownVersionError(
            f"Tracardi {version} is not supported; the console knows {known}."
        ) from None
