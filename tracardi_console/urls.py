"""Addresses: everything lives under the admin site, which asks for a sign-in."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("", admin.site.urls)]
