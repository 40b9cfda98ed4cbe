"""`manage.py recipes ENVIRONMENT --out DIR --as USER`: a pair's deployment recipe, as files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

import yaml

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment, RecipeVersion
from environments.recipes.forms import RecipeForm
from environments.recipes.services import SAVED, RecipeError, hand_out, latest, outdated, save
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment

_LARGEST: Final = 64 * 1024


class Command(ActingCommand):
    help = (
        "Write the files that set up a staging and its production: containers, firewalls, proxy, "
        "Kubernetes. With --answers they are made first. Nothing is applied, and no secret written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="a staging environment's slug")
        parser.add_argument(
            "--out", required=True, type=Path, help="a folder that is not there yet"
        )
        parser.add_argument(
            "--answers", type=Path, help="a YAML file of answers; the rest stays as it was"
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        actor = command_actor(user)
        authorise(actor, Verb.MANAGE, SAVED, environment)
        out: Path = options["out"]
        if out.exists():
            raise BadInputError(f"{out} is there already. Nothing was written. Name a new folder.")
        if environment.is_production or environment.promotes_to is None:
            raise BadInputError(
                f"{environment} is no staging that promotes to a production. Nothing was written. "
                "Name one that does."
            )
        try:
            version = self._version(user, environment, options["answers"])
            hand_out(actor, version)
        except RecipeError as error:
            raise BadInputError(str(error)) from error
        self._write(out, version)
        return {
            "message": f"{version}: {len(version.texts)} files in {out}.",
            "version": version.number,
            "files": list(version.texts),
        }

    def _version(self, user: User, environment: Environment, file: Path | None) -> RecipeVersion:
        """Return the newest version, or the one that a file of answers makes."""
        found = latest(environment)
        if file is None:
            if found is None:
                raise BadInputError(
                    f"{environment} has no recipe yet. Nothing was written. Answer what it has to "
                    "know on its page, or in a file for --answers."
                )
            if why := outdated(found):
                raise BadInputError(
                    f"{why} Nothing was written. Look at the answers, the images' tags too, and "
                    "save them again on its page, or with --answers; a file that holds {} keeps "
                    "them all. The page also has the files as they were."
                )
            return found
        kept = dict(found.answers) if found is not None else {}
        form = RecipeForm(environment, None, kept)
        blank = {name: form.get_initial_for_field(f, name) for name, f in form.fields.items()}
        given = _read(file)
        if unknown := given.keys() - form.fields.keys():
            raise BadInputError(
                f"No recipe asks for {', '.join(sorted(unknown))}. Nothing was saved."
            )
        data = {
            name: form.fields[name].prepare_value(value)
            for name, value in {**blank, **given}.items()
            if value is not None and value is not False
        }
        bound = RecipeForm(environment, data)
        if not bound.is_valid() or bound.answers is None:
            errors = bound.errors.get_json_data().items()
            words = [f"{name}: {' '.join(one['message'] for one in all_)}" for name, all_ in errors]
            raise BadInputError("\n".join(words))
        made, _ = save(command_actor(user), environment, bound.answers, shown=None)
        return made

    def _write(self, out: Path, version: RecipeVersion) -> None:
        try:
            for path, text in version.texts.items():
                file = out / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInputError(f"{out} cannot be written: {error.strerror}.") from error


def _read(file: Path) -> dict[str, Any]:
    """Return the answers of a file: names and plain values."""
    try:
        raw = file.read_bytes()
        if len(raw) > _LARGEST:
            raise BadInputError(f"{file} is larger than any answers. Nothing was saved.")
        found = yaml.safe_load(raw.decode())
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadInputError(f"{file} is no YAML. Nothing was saved.") from error
    plain = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    if not plain or not all(isinstance(one, str | int | list) for one in found.values()):
        raise BadInputError(f"{file} is no list of names and answers. Nothing was saved.")
    return dict(found)
