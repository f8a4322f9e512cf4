from django.http import FileResponse, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from .models import Book
from .tasks import measure

EDITION = "first edition"


def up(request):
    return HttpResponse("up")


def shelf(request):
    return render(request, "library/shelf.html", {"edition": EDITION, "count": Book.objects.count()})


@csrf_exempt
def books(request):
    if request.method == "POST":
        book = Book.objects.create(title=request.POST["title"], cover=request.FILES["cover"])
        measure.delay(book.pk)
        return JsonResponse({"id": book.pk}, status=201)
    return JsonResponse({"books": list(Book.objects.values("title", "cover", "bytes_of_cover"))})


def cover(request, name):
    return FileResponse(Book.objects.get(cover=f"covers/{name}").cover.open())
