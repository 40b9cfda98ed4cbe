from django.db import migrations


def choose(apps, schema_editor):
    """Let runs from before tests were chosen have those that they have results of."""
    for run in apps.get_model("promotion", "SuiteRun").objects.filter(chosen=[]):
        run.chosen = list(run.results.order_by("id").values_list("test", flat=True))
        run.save(update_fields=["chosen"])


class Migration(migrations.Migration):
    dependencies = [("promotion", "0013_suite_pages")]
    operations = [migrations.RunPython(choose, migrations.RunPython.noop)]
