"""Keeps a recipe in versions, and hands its files out."""

import io
import zipfile
from typing import Final

from django.db import transaction

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment, RecipeVersion
from environments.recipes.answers import Answers
from environments.recipes.changes import changes
from environments.recipes.forms import facts
from environments.recipes.generate import files

SEEN: Final = "recipe.shown"
SAVED: Final = "recipe.saved"
DOWNLOADED: Final = "recipe.downloaded"


class RecipeError(Exception):
    """A rule says no; `str()` says what was not done, and what to do."""


def latest(staging: Environment) -> RecipeVersion | None:
    """Return the newest version of a staging with the production that it feeds now."""
    return RecipeVersion.objects.filter(staging=staging, production=staging.promotes_to_id).first()


def outdated(version: RecipeVersion) -> str:
    """Return why a version's files are not those that its answers would make now, or nothing."""
    kept = dict(version.answers)
    known = facts(version.staging)
    otherwise = f"This console writes some files otherwise than the one that made {version}."
    try:
        made = files(Answers.from_dict({**kept, **known}))
    except TypeError:
        return otherwise
    if made == version.texts:
        return ""
    differ = [
        f"{_FACTS[name]} {_told(name, kept.get(name))} in it, and is {_told(name, now)} by now"
        for name, now in known.items()
        if kept.get(name) != now
    ]
    if not differ:
        return otherwise
    return f"The set-up was corrected after {version} was made: {'; '.join(differ)}."


# What is said of each of the facts, which go on with its value.
_FACTS: Final = {
    "tenant": "the tenant is",
    "version": "Tracardi is",
    "staging_login": "staging's sign-in to Elasticsearch is",
    "production_login": "production's sign-in to Elasticsearch is",
}


def _told(name: str, value: object) -> str:
    # Of a tenant that Tracardi derives by itself a recipe says nothing.
    return str(value or ("the derived one" if name == "tenant" else "not said"))


def save(
    actor: Actor, staging: Environment, answers: Answers, *, shown: int | None
) -> tuple[RecipeVersion, bool]:
    """Keep a recipe where its files differ from the last; return it, and whether it is a new one.

    `shown` is the version that was changed, 0 where there was none; without it none was looked at.

    Raises:
        NotAllowedError: the actor may not.
        RecipeError: there is no production, or another version came first.
    """
    authorise(actor, Verb.MANAGE, SAVED, staging)
    if actor.user is None:
        raise NotAllowedError("Only a person makes a recipe. Nothing was saved.")
    made = files(answers)
    with transaction.atomic():
        # Locks the row where the database can, so that two saves do not take one number.
        Environment.objects.select_for_update().get(pk=staging.pk)
        before = latest(staging)
        problem = _problem(staging, before, shown)
        if not problem and (production := staging.promotes_to) is not None:
            if before is not None and before.texts == made:
                return before, False
            newest = RecipeVersion.objects.filter(staging=staging).first()
            version = RecipeVersion.objects.create(
                staging=staging,
                production=production,
                number=newest.number + 1 if newest is not None else 1,
                answers=answers.to_dict(),
                files=[list(one) for one in made.items()],
                made_by=actor.user,
            )
            differ = [one.path for one in changes(before.texts if before else {}, made)]
            record(actor, SAVED, version, detail={"version": version.number, "files": differ})
            return version, True
    record(actor, SAVED, staging, outcome=AuditEvent.Outcome.FAILED, reason=problem)
    raise RecipeError(problem)


def _problem(staging: Environment, before: RecipeVersion | None, shown: int | None) -> str:
    if staging.is_production or staging.promotes_to is None:
        return (
            f"{staging} promotes to nothing, so there is no pair to make a recipe for. Nothing was "
            "saved. Say in the set-up of environments which production it feeds."
        )
    number = before.number if before is not None else 0
    if shown is not None and shown != number:
        return (
            f"Version {number} was saved meanwhile. Nothing was saved. Look at it, and save again "
            "if yours is still what is wanted."
        )
    return ""


def archive(version: RecipeVersion) -> bytes:
    """Return all files of a version as a zip; equal files make an equal one."""
    held = io.BytesIO()
    folder = f"{version.staging.slug}-recipe-{version.number}"
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        for path, text in version.texts.items():
            entry = zipfile.ZipInfo(f"{folder}/{path}", (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            made.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def hand_out(actor: Actor, version: RecipeVersion, path: str = "") -> None:
    """Let an actor take a version's files, or one of them, and record it.

    Raises:
        NotAllowedError: the actor may not.
        RecipeError: the version has no such file.
    """
    authorise(actor, Verb.MANAGE, DOWNLOADED, version)
    if path and path not in version.texts:
        raise RecipeError(f"{version} has no such file. Nothing was downloaded.")
    record(actor, DOWNLOADED, version, detail={"version": version.number, "file": path or "all"})
