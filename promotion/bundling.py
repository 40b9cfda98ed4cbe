"""A build as a complete, signed file, and the way back: into this console or another one.

What comes back is a build like any other. It is made of the documents themselves, digested anew:
nothing that a file says of its own content is believed. Verdicts of another console are told, and
count for nothing here: four eyes are those of this console's people.
"""

from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.derivation import derived_key
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.documents import decoded, parse
from environments.models import Environment
from promotion.engine.bundle import (
    Bundle,
    Head,
    Part,
    fingerprint,
    head_of,
    holds_secret,
    pack,
    public_key,
    unpack,
)
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.engine.manifest import Tree, TreeDigests, describe, oid_of
from promotion.engine.ports import Captured, CapturedResource, Fingerprint
from promotion.models import Build, Review
from promotion.services import keep_build, prepare_if_approved
from promotion.store import DatabaseContent

SHORTEST_PASSPHRASE: Final = 12


def signer() -> Ed25519PrivateKey:
    """Return the key that this console signs its bundles with."""
    return Ed25519PrivateKey.from_private_bytes(derived_key("bundles", now=True))


def own_fingerprint() -> str:
    """Return how people know this console's bundles."""
    return fingerprint(public_key(signer()))


def bundle(actor: Actor, build: Build, passphrase: str | None) -> bytes:
    """Return a build as a file.

    Raises:
        NotAllowedError: the actor may not read the build, or not with its secrets.
        RuleBroken: it holds secrets and no passphrase is given, or too short a one.
    """
    # Whoever holds the file and the passphrase holds production's credentials.
    authorise(actor, Verb.PROMOTE, "build.bundle", build.target or build.environment)
    if passphrase is not None and len(passphrase) < SHORTEST_PASSPHRASE:
        raise RuleBroken(
            f"The passphrase has fewer than {SHORTEST_PASSPHRASE} characters. Nothing was "
            "written. Take a longer one."
        )
    content, secret = DatabaseContent(), 0
    parts: dict[str, Part] = {}
    for name, part in sorted(build.resources().items()):
        documents = list(content.sources(content.tree(part.tree.digest)))
        for _, source in documents:
            plain = parse(source)
            secret += holds_secret(name, plain, decoded(name, plain))
        parts[name] = Part(part.index, part.fingerprint.to_dict(), part.mapping_digest, documents)
    if secret and passphrase is None:
        raise RuleBroken(
            f"{build} holds secrets in {secret} of its documents. Nothing was written. Give a "
            "passphrase, and the file is encrypted; or use export, which masks them."
        )
    made = Bundle(
        name=str(build),
        version=build.version,
        cluster_uuid=build.cluster_uuid,
        content=build.content,
        captured_at=build.captured_at.isoformat(),
        captured_by=build.captured_by.label if build.captured_by else "the console",
        reviews=_reviews(build),
        resources=parts,
    )
    raw = pack(made, signer(), passphrase)
    record(actor, "build.bundle", build, detail={"sealed": passphrase is not None})
    return raw


def _reviews(build: Build) -> list[dict[str, str]]:
    found = Review.objects.filter(environment=build.environment, content=build.content)
    return [
        {
            "verdict": one.verdict,
            "by": one.reviewed_by.label,
            "at": one.reviewed_at.isoformat(),
            "comment": one.comment,
        }
        for one in found.select_related("reviewed_by")
    ]


def import_bundle(
    actor: Actor,
    environment: Environment,
    raw: bytes,
    *,
    passphrase: str | None = None,
    trusted: str = "",
) -> Build:
    """Keep what a file holds as the environment's next build, and return it.

    `trusted` is the fingerprint of another console whose files are to be believed.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the file is no bundle, was changed, is of somebody who is not trusted, of
            another Tracardi version, or does not hold what it says.
        UnreadableDocument: a document cannot be kept.
    """
    authorise(actor, Verb.CAPTURE, "build.import", environment)
    try:
        head = head_of(raw)
        _check_signer(head, trusted)
        found = unpack(raw, passphrase)
        captured = _captured(environment, found)
    except PromotionError as error:
        failed = AuditEvent.Outcome.FAILED
        record(actor, "build.import", environment, outcome=failed, reason=str(error))
        raise
    origin = _origin(head, found)
    build = keep_build(
        actor,
        environment,
        captured,
        found.cluster_uuid,
        Build.Kind.IMPORTED,
        action="build.import",
        detail={"signer": head.fingerprint, "name": found.name},
        origin=origin,
    )
    prepare_if_approved(build)
    return build


def _check_signer(head: Head, trusted: str) -> None:
    if head.fingerprint in {own_fingerprint(), trusted.strip().lower()}:
        return
    raise RuleBroken(
        f"The bundle was signed by another console, {head.fingerprint}. Nothing was imported. Ask "
        "who made it for the fingerprint of that console; if it is this one, say that you trust it."
    )


def _origin(head: Head, found: Bundle) -> dict[str, Any]:
    return {
        "signer": head.fingerprint,
        "own": head.fingerprint == own_fingerprint(),
        "name": found.name,
        "captured_at": found.captured_at,
        "captured_by": found.captured_by,
        "reviews": found.reviews,
    }


def _captured(environment: Environment, found: Bundle) -> Captured:
    """Digest what a bundle holds, keep it, and return it as if it had been read here."""
    if found.version != environment.version:
        raise RuleBroken(
            f"The bundle is of Tracardi {found.version}, and {environment} is "
            f"{environment.version}. Nothing was imported."
        )
    promoted = {resource.name for resource in environment.catalogue.promoted}
    if set(found.resources) != promoted:
        odd = ", ".join(sorted(set(found.resources) ^ promoted))
        raise RuleBroken(f"The bundle lacks or adds resources: {odd}. Nothing was imported.")
    content, limit = DatabaseContent(), settings.MAX_DOCUMENT_BYTES
    trees: dict[str, Tree] = {}
    for name, part in found.resources.items():
        if len({doc_id for doc_id, _ in part.documents}) < len(part.documents):
            raise RuleBroken(f"The bundle has a {name} twice. Nothing was imported.")
        trees[name] = Tree.of(
            name, [describe(name, doc_id, raw, limit=limit) for doc_id, raw in part.documents]
        )
    captured = Captured(
        {
            name: CapturedResource(
                part.index,
                Fingerprint.from_dict(part.fingerprint),
                part.mapping_digest,
                TreeDigests.of(trees[name]),
            )
            for name, part in found.resources.items()
        },
        (),
    )
    if captured.manifest.content != found.content:
        raise RuleBroken("The bundle does not hold what it says it does. Nothing was imported.")
    for name, part in found.resources.items():
        content.keep_blobs({oid_of(raw): raw for _, raw in part.documents})
        content.keep_tree(trees[name])
    content.keep_absent_links([tree.digest for tree in trees.values()])
    return captured
