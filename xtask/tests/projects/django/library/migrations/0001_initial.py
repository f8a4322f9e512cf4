from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("cover", models.FileField(upload_to="covers/")),
                ("bytes_of_cover", models.IntegerField(null=True)),
            ],
        )
    ]
