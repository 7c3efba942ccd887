"""Backups: segments of stored messages, and the manifest that says which of them count."""
