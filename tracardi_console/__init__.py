"""The project: settings, addresses, the admin site, the home page, what is for operators."""

from typing import Final

# Of pyproject.toml too; a test compares them.
VERSION: Final = "0.1.0"
