"""Processes a person starts: the CLI, the REST services and the demo."""
