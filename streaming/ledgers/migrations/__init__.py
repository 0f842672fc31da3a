"""The ledger's schema, one step after another; run by `streaming.ledgers.database.upgrade`."""
