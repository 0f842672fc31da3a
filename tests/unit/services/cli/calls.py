"""Runs a command of the application as a person would, in this process."""

import json

from typer.testing import CliRunner

from services.cli.app import app


def run(*arguments, status=0):
    """Return what the command prints; raises what it raises, and checks its exit status."""
    result = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "160"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.stdout


def last_json(*arguments, status=0):
    """Return the object that the command prints last when asked for JSON."""
    return json.loads(run(*arguments, "--json", status=status).splitlines()[-1])
