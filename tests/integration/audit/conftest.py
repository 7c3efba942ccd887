"""The database fixtures, for this folder."""

from tests.integration.postgres.database import database, empty_database, postgres_url

__all__ = ["database", "empty_database", "postgres_url"]
