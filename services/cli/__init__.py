"""The ``ringfence`` command."""

import sys

from rich.markup import escape

from features.errors import RingfenceError
from services.cli.output import err

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run one command; an error of ours ends it with what, where and what to do, and status 2, without a traceback."""
    from services.cli.app import app  # noqa: PLC0415 the commands import much; errors here must not

    try:
        app()
    except RingfenceError as error:
        err.print(f"[bold red]error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
        if error.remedy:
            err.print(escape(error.remedy), highlight=False, soft_wrap=True)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
