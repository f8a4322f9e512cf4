from celery import shared_task

from .models import Book


@shared_task
def measure(number):
    book = Book.objects.get(pk=number)
    book.bytes_of_cover = book.cover.size
    book.save(update_fields=["bytes_of_cover"])
