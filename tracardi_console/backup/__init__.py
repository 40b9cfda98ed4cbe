"""Backup and restore of the console's own database; docs/operate.md says how and when."""
