"""Arguments that are one of a few words."""

from __future__ import annotations

from collections.abc import Iterable

from ghostface_edge.errors import OptionError


def choose(argument: str, value: str, choices: Iterable[str], where: str = "") -> None:
    """Refuse a value that is none of the choices.

    Raises:
        OptionError: It names the argument, the value and the choices; ``where`` stands between.
    """
    if value not in choices:
        raise OptionError(f"{argument}={value!r} does not exist{where}; choose from: {', '.join(choices)}")
