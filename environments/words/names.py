"""What the documents of a configuration are called, and which of them are there.

Pure: no Django, no I/O. A document that names another holds a copy of that one's name, which may
be old: it is used only where the other one is not there.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

from environments.documents import title
from environments.flowgraph import shown
from environments.references import SOFT_TARGETS
from environments.ways import Key
from environments.words.parts import Part
from environments.words.reading import all_named, is_off, words

# Resource to id to masked source.
Documents: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]

NOT_THERE: Final = "which is not there"
SWITCHED_OFF: Final = "which is switched off"


class Names:
    """Finds names. `whole` are the resources of which every document was read."""

    def __init__(self, documents: Documents, whole: Collection[str]) -> None:
        self._documents = documents
        self._whole = whole
        self._segments: dict[str, str] = {}
        for doc_id, source in documents.get("segment", {}).items():
            if alias := words(source.get("machine_name")):
                self._segments.setdefault(alias, doc_id)

    def key(self, resource: str, doc_id: str) -> Key:
        """Return the key of what an id leads to; a segment's may be its machine name."""
        if resource == "segment" and doc_id not in self._documents.get("segment", {}):
            doc_id = self._segments.get(doc_id, doc_id)
        return (resource, doc_id)

    def source(self, key: Key) -> Mapping[str, Any] | None:
        """Return a document, or None where it is not there."""
        return self._documents.get(key[0], {}).get(key[1])

    def title(self, key: Key) -> str:
        """Return what a document is called, or its id where it has no name or is not there."""
        source = self.source(key)
        if key[0] == "event-tags":
            # It has no name of its own, and its id is that of the event type.
            return self.title(("event-management", key[1]))
        return shown(title(key[1], source)) if source is not None else shown(key[1])

    def is_whole(self, resource: str) -> bool:
        """Say whether every document of a resource is known."""
        return resource in self._whole

    def ref(self, resource: str, doc_id: str, copied: str = "") -> Part:
        """Return the name of what an id leads to; `copied` is what the document calls it."""
        key = self.key(resource, doc_id)
        source = self.source(key)
        if source is not None:
            aside = SWITCHED_OFF if is_off(source) else ""
            # Bridges belong to the installation, and have no page.
            linked = key if resource != "bridge" else None
            return Part(self.title(key), linked, is_name=True, aside=aside)
        missing = resource in self._whole and resource not in SOFT_TARGETS
        return Part(shown(copied or doc_id), is_name=True, aside=NOT_THERE if missing else "")

    def refs(self, resource: str, value: object) -> list[Part]:
        """Return the names of what a list of ids, or of {"id", "name"}, leads to."""
        return [self.ref(resource, doc_id, copied) for doc_id, copied in all_named(value)]

    def of(self, key: Key) -> Part:
        """Return the name of a document, with no word on its state."""
        linked = key if self.source(key) is not None else None
        return Part(self.title(key), linked, is_name=True)
