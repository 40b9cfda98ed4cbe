"""Addresses of the environments' own pages."""

from django.urls import path

from environments import views

app_name = "environments"

urlpatterns = [
    path("environments/<slug:slug>/dashboard/", views.dashboard, name="dashboard"),
]
