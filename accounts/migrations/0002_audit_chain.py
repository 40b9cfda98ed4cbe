from django.db import migrations, models

from accounts import chain


def link(apps, schema_editor):
    """Chain what was recorded before events were chained, in the order of recording."""
    events = apps.get_model("accounts", "AuditEvent")._base_manager
    previous, number = chain.BEGINNING, 0
    for event in events.order_by("id").iterator():
        number += 1
        event.number, event.previous = number, previous
        event.digest = chain.digest({name: getattr(event, name) for name in chain.FIELDS})
        event.save(update_fields=["number", "previous", "digest"])
        previous = event.digest


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="auditevent", options={"ordering": ("-number",)}
        ),
        migrations.AddField(
            model_name="auditevent",
            name="number",
            field=models.PositiveBigIntegerField(null=True, editable=False),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="previous",
            field=models.CharField(max_length=64, default="", editable=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditevent",
            name="digest",
            field=models.CharField(max_length=64, default="", editable=False),
            preserve_default=False,
        ),
        migrations.RunPython(link, migrations.RunPython.noop),
    ]
