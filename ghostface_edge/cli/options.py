"""Options that verbs share, and the engine that some of them make."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..notices import without_notices
from .output import report, say

if TYPE_CHECKING:
    from ..engine import FaceEngine

Function = TypeVar("Function", bound=Callable[..., Any])

_LOGGER = logging.getLogger("ghostface_edge")


class _ToStderr(logging.Handler):
    """The library's log, one line per message."""

    def emit(self, record: logging.LogRecord) -> None:
        report(record.levelname.lower(), record.getMessage())


@contextmanager
def log_on_stderr() -> Iterator[None]:
    """Send the library's log to stderr: its warnings, and with ``--verbose`` more."""
    level, handler = _LOGGER.level, _ToStderr()
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.WARNING)
    try:
        yield
    finally:
        _LOGGER.setLevel(level)
        _LOGGER.removeHandler(handler)


def _set_verbosity(context: click.Context, parameter: click.Parameter, verbosity: int) -> None:
    _LOGGER.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
VERBOSE = click.option(
    "-v",
    "--verbose",
    count=True,
    expose_value=False,
    callback=_set_verbosity,
    help="Tell on stderr what happens; -vv tells more.",
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="CPU threads of one inference.  [default: the CPUs available, at most 4]",
)
NO_THREADS = click.option("--threads", type=click.IntRange(min=1), hidden=True, expose_value=False)
_DETECTOR = click.option(
    "--detector",
    metavar="NAME",
    help="yunet, yunet-fast, yunet-plain or yunet-opencv, with :PIXELS for another input size than 640, such as "
    "yunet:1280 for small faces, or with :FILE for a converted YuNet; or scrfd:FILE.  [default: yunet]",
)
_MODEL = click.option(
    "--model",
    metavar="NAME|PATH",
    help="A name from `models list`, a model or a checkpoint.  [default: ghostfacenet-w0.5-s2]",
)
MAX_PIXELS = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Largest photo to decode, width times height.  [default: 50000000]",
)
FLIP = click.option("--flip", is_flag=True, help="Embed the mirrored face too: a little more accurate, twice the time.")

RUNTIME = click.option(
    "--runtime",
    metavar="onnx|litert",
    help="What runs the models.  [default: what a model's file needs, else the best that is installed]",
)
SHORT_PRECISIONS = {"fp32": "float32", "fp16": "float16"}
"""What people say for a precision of model cards."""


def full_precision(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The name of a precision in model cards, for its short name too."""
    return None if value is None else SHORT_PRECISIONS.get(value, value)


PRECISION = click.option(
    "--precision",
    metavar="NAME",
    callback=full_precision,
    help="Of the embedder: fp32, fp16 or int8; on litert also dynamic or int16x8; or auto: fp32 or fp16, whichever "
    "this machine computes faster.  [default: auto]",
)
RESULTS = click.option(
    "-o", "--output", metavar="FILE", help="Also write the results to this file: JSON for `bench compare`."
)
FMR = click.option(
    "--fmr",
    type=float,
    metavar="RATE",
    help="Decide at this false-match rate, with the threshold from the model card.  [default: 0.001]",
)
THRESHOLD = click.option(
    "--threshold", type=float, metavar="X", help="Decide at this cosine similarity, instead of --fmr."
)


def all_of(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in the order in which the help shows them."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


plain_options = all_of(NO_THREADS, JSON, VERBOSE)
"""Of a verb that runs no model."""

measured_options = all_of(RESULTS, JSON, VERBOSE)
"""Of a verb that measures cost."""

detector_options = all_of(_DETECTOR, RUNTIME, MAX_PIXELS, THREADS, JSON, VERBOSE)
"""Of a verb that runs a detector alone."""

engine_options = all_of(_MODEL, _DETECTOR, RUNTIME, PRECISION, FLIP, MAX_PIXELS, THREADS, JSON, VERBOSE)
"""Of a verb that makes an engine; all but ``as_json`` go to :func:`load_engine`."""


def load_engine(**options: Any) -> FaceEngine:
    """The engine that the options ask for; what was not given is left to its defaults."""
    from ..engine import FaceEngine

    with without_notices():
        return FaceEngine(**given(options))


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def decision(fmr: float | None, threshold: float | None) -> float:
    """The false-match rate to decide at, where no threshold was given.

    Raises:
        click.UsageError: Both were given.
    """
    if fmr is not None and threshold is not None:
        raise click.UsageError("--fmr and --threshold exclude each other", click.get_current_context())
    from ..engine import DEFAULT_FMR

    return DEFAULT_FMR if fmr is None else fmr


def show_help(context: click.Context) -> None:
    """What a group of verbs does when none is named."""
    if context.invoked_subcommand is None:
        say(context.get_help())
