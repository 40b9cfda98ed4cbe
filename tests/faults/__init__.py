"""Crashes, a failing engine, races."""
