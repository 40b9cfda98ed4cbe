"""ASGI entry point."""

import os

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

from tracardi_console.starting import stop_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
try:
    application = get_asgi_application()
except ImproperlyConfigured as error:
    stop_application(error)
