"""The program: its verbs, and how a run of it ends."""

from __future__ import annotations

from collections.abc import Sequence

import click

from .._version import __version__
from ..errors import GhostFaceError
from .bench import bench
from .convert import card, convert, inspect
from .diagnose import doctor
from .evaluate import evaluate
from .gallery import gallery
from .models import models
from .options import log_on_stderr, show_help
from .output import INTERRUPTED, report
from .photos import detect, embed, verify

ERROR = 2


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Find faces in photos, compare them, and remember them."""
    show_help(context)


for verb in (detect, embed, verify, gallery, models, convert, inspect, card, evaluate, bench, doctor):
    program.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: Words after the program's name; by default those of this process.

    Returns:
        The exit code: see :mod:`ghostface_edge.cli`.
    """
    try:
        with log_on_stderr():
            code = program.main(arguments, prog_name="ghostface-edge", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        report("error", _explained(error))
        return ERROR
    except GhostFaceError as error:
        report("error", error)
        return ERROR
    return code if isinstance(code, int) else 0


def _explained(error: click.ClickException) -> str:
    text = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return text if context is None else f"{text}. Try: {context.command_path} --help"
