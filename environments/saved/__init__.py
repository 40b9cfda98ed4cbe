"""Dashboards that people name, share and begin with, and the weekly summary that they asked for."""
