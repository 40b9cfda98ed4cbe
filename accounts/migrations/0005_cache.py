from typing import Any

from django.core.management import call_command
from django.db import migrations


def create(_apps: Any, schema_editor: Any) -> None:
    """Make the table of what counts attempts to sign in, where the settings name one."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    # Its own statements on PostgreSQL fail where the table is there, and are forgiven.
    atomic = False

    dependencies = [("accounts", "0004_sign_in")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
