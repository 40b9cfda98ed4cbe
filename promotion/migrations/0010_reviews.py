from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('environments', '0001_initial'),
        ('promotion', '0008_dependencies'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='review',
            name='promotion_one_verdict_on_a_content',
        ),
        migrations.AlterField(
            model_name='review',
            name='verdict',
            field=models.CharField(choices=[('approved', 'Approved'), ('rejected', 'Rejected'), ('changes', 'Changes requested')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.UniqueConstraint(condition=models.Q(('verdict', 'changes'), _negated=True), fields=('environment', 'content'), name='promotion_one_final_verdict_on_a_content'),
        ),
    ]
