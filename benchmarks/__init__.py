"""Measures promotions against other ways to copy a configuration, side by side."""
