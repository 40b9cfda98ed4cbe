"""WSGI entry point."""

import gc
import os

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from tracardi_console.starting import stop_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    stop_application(error)

# What is loaded by now stays. A collection that looks at all of it again takes 50 ms, in the middle
# of whatever page makes many objects.
gc.collect()
gc.freeze()
