"""The verb that looks at this machine."""

from __future__ import annotations

from typing import Any

import click

from .options import engine_options, given
from .output import answer


@click.command(short_help="Can the main job run here?")
@engine_options
def doctor(as_json: bool, **options: Any) -> int:
    """What is installed, what this machine has, one run as a test, and advice.

    Exit code 0: the main job can run, 1: it cannot. How accurate a model is, it does not say.
    """
    from ..doctor import examine

    found = examine(**given(options))
    answer(found.to_dict(), found.to_text(), as_json)
    return 0 if found.ready else 1
