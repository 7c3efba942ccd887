"""The tables in PostgreSQL: a view of the log that may be made again."""

from roomlog.postgres.pool import Pool, open_pool
from roomlog.postgres.read_model import PostgresReadModel

__all__ = ["Pool", "PostgresReadModel", "open_pool"]
