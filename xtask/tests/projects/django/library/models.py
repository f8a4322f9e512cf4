from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    cover = models.FileField(upload_to="covers/")
    # Counted by the worker, not by the request.
    bytes_of_cover = models.IntegerField(null=True)
