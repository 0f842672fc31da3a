"""Implementations of the ledger's seam: in memory for tests, SQL (SQLite, PostgreSQL) for everything else."""
