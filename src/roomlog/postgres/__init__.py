"""The tables in PostgreSQL: a view of the log that may be made again."""

from roomlog.postgres.pool import Pool, open_pool
from roomlog.postgres.read_model import PostgresReadModel
from roomlog.postgres.tree_reader import PostgresTreeReader

__all__ = ["Pool", "PostgresReadModel", "PostgresTreeReader", "open_pool"]
