"""The demo: a history, a model, a running system and a stream of payments to watch."""
