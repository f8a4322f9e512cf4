from django.urls import path

from . import views

urlpatterns = [
    path("", views.shelf),
    path("up/", views.up),
    path("books/", views.books),
    path("covers/<str:name>", views.cover),
]
