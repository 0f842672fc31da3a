"""The scoring use case and what carries transactions through it: brokers, ledger, worker, simulator."""
