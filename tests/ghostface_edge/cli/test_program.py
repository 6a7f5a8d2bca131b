"""What holds for every verb: options, exit codes, stdout and stderr."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import click
import pytest

from ghostface_edge import __version__
from ghostface_edge.catalog import DEFAULT_EMBEDDER
from ghostface_edge.cli.program import program
from ghostface_edge.engine import DEFAULT_FMR, DETECTORS
from ghostface_edge.runtime import RUNTIMES

Runner = Callable[..., Any]

CONTRACT = """
detect embed verify convert inspect doctor
gallery:enroll gallery:search gallery:list gallery:remove gallery:export gallery:import
models:list models:pull models:add models:verify models:remove models:path
card:add calibrate eval:lfw eval:bin eval:pairs eval:folder eval:identify eval:ijb
bench:macs bench:latency bench:pipeline bench:peers bench:arm bench:compare bench:report
"""
SOME_OPTIONS = {
    "detect": {"--detector", "--runtime"},
    "models path": {"--runtime"},
    "eval bin": {"--model", "--runtime", "--flip"},
    "eval ijb": {"--model", "--runtime", "--flip"},
    "bench arm": {"--runtime"},
    "bench latency": {"--runtime"},
    "bench peers": {"--model"},
}
ENGINE_VERBS = {
    *("embed", "verify", "gallery enroll", "gallery search", "calibrate", "doctor", "bench pipeline"),
    *("eval lfw", "eval pairs", "eval folder", "eval identify"),
}


def _verbs(group: click.Group = program, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _verbs(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_there_are_the_verbs_of_the_contract() -> None:
    assert {name for name, _ in _verbs()} == {name.replace(":", " ") for name in CONTRACT.split()}


def test_every_verb_takes_the_common_options() -> None:
    for name, command in _verbs():
        assert {"--json", "--threads", "--verbose", "-v"} <= _options(command), name
        engine = {"--model", "--detector", "--runtime", "--flip"}
        assert _options(command) & engine == (engine if name in ENGINE_VERBS else SOME_OPTIONS.get(name, set())), name


def test_threads_are_accepted_where_nothing_runs(run: Runner, empty_store: Path) -> None:
    assert run("models", "list", "--threads", "1", "--json").code == 0


@pytest.mark.parametrize("verb", [("verify",), ("gallery", "search")])
def test_help_tells_the_real_defaults_and_choices(run: Runner, verb: tuple[str, ...]) -> None:
    text = " ".join(run(*verb, "--help").out.split())
    assert f"[default: {DEFAULT_EMBEDDER}]" in text
    assert f"[default: {DEFAULT_FMR:g}]" in text
    assert "|".join(RUNTIMES) in text
    for name in DETECTORS:
        assert name in text


def test_version(run: Runner) -> None:
    assert run("--version").out == f"ghostface-edge {__version__}\n"


@pytest.mark.parametrize("group", [(), ("gallery",), ("models",), ("card",), ("eval",)])
def test_a_group_alone_shows_its_help(run: Runner, group: tuple[str, ...]) -> None:
    alone = run(*group)
    assert alone.code == 0
    assert alone.out.startswith(f"Usage: {' '.join(('ghostface-edge', *group))} ")
    assert alone.out == run(*group, "-h").out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "No such command 'nonsense'. Try: ghostface-edge --help"),
        (["verify", "a.jpg"], "Missing argument 'B'. Try: ghostface-edge verify --help"),
        (["verify", "a", "b", "--threads", "0"], "0 is not in the range x>=1"),
        (["verify", "a", "b", "--fmr", "much"], "'much' is not a valid float"),
        (["verify", "a", "b", "--fmr", "0.1", "--threshold", "0.1"], "--fmr and --threshold exclude each other"),
        (["gallery", "search", "a", "--fmr", "0.1", "--threshold", "0.1"], "exclude each other"),
        (["detect", "--nonsense", "a.jpg"], "No such option"),
        (["detect"], "Missing argument 'IMAGE...'"),
        (["gallery", "search", "a", "--top-k", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_usage_error_is_one_line(run: Runner, arguments: list[str], text: str) -> None:
    assert text in run(*arguments).error


def test_help_loads_no_heavy_package(command: list[str]) -> None:
    heavy = ("numpy", "PIL", "cv2", "onnxruntime", "h5py", "onnx", "requests", "tqdm")
    code = f"import sys; from ghostface_edge.cli import main; main(['--help']); print(sys.modules.keys() & {heavy!r})"
    done = subprocess.run([command[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_the_process_ends_with_the_exit_code(command: list[str]) -> None:
    done = subprocess.run([*command, "verify", "a.jpg"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: Missing argument 'B'. Try: ghostface-edge verify --help\n"


def test_a_reader_that_goes_away_is_no_error(command: list[str]) -> None:
    process = subprocess.Popen(
        [*command, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 128 + 13  # SIGPIPE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_an_error(command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*command, "models", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


def test_ctrl_c_ends_with_130(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(program.commands, "wait", click.Command("wait", callback=interrupt))
    done = run("wait")
    assert (done.code, done.out) == (130, "")


def test_a_bug_is_not_hidden(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(program.commands, "bug", click.Command("bug", callback=lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        run("bug")


def test_an_error_of_click_without_a_verb_is_one_line(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise click.ClickException("two\nlines")

    monkeypatch.setitem(program.commands, "refuse", click.Command("refuse", callback=refuse))
    assert run("refuse").error == "two lines"


def test_warnings_of_the_library_are_shown(run: Runner, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTFACE_EDGE_MODELS", str(empty_store / "nowhere"))
    done = run("models", "list")
    assert done.code == 0
    (line,) = done.err.splitlines()
    assert line.startswith(f"warning: {empty_store}/nowhere is to be searched for models")


def test_verbose_shows_more_and_leaves_no_trace(run: Runner, tiny_model: Path, empty_store: Path) -> None:
    logger = logging.getLogger("ghostface_edge")
    before = (logger.level, list(logger.handlers))
    quiet, loud = run("inspect", tiny_model), run("inspect", tiny_model, "-v")
    assert quiet.err == ""
    assert loud.out == quiet.out
    bare = run("models", "pull", "yunet-unknown", "-vv")
    assert bare.code == 2
    assert (logger.level, logger.handlers) == before


def test_the_package_runs_as_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ghostface_edge", "gallery", "list", "--gallery", str(tmp_path / "none.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
