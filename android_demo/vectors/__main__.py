"""Golden vectors: what Python computes, for the Java code to be tested against; run from the root of the repository.

::

    python android_demo/vectors           # write android_demo/golden, then run the tests of android_demo/core
    python android_demo/vectors --check   # the same, but a committed file that is not what would be written is an error

Each module beside this file has any of three functions:

- ``vectors() -> dict[str, Any]`` gives the content of ``golden/MODULE.json``: JSON, the same at each call, from
  synthetic input alone, and small, since it is committed;
- ``generate(folder: Path) -> None`` writes files into ``golden/generated``, which are not: networks with random
  weights, results on real photos;
- ``examine(folder: Path) -> None`` looks at what the Java tests wrote there, and raises :class:`click.ClickException`.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from golden import differences, encoded

from ghostface_edge.atomic import replacing

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
GENERATED = GOLDEN / "generated"
CORE = HERE.parent / "core"


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--check", is_flag=True, help="Compare the committed files instead of writing them.")
@click.option("--java/--no-java", default=True, help="Or the committed files only: nothing for Java, no Maven.")
def main(check: bool, java: bool) -> None:
    """Write or compare the golden vectors, and run Java on them."""
    if java and shutil.which("mvn") is None:
        raise click.ClickException("no mvn here: install Maven and a JDK (Debian: maven), or say --no-java")
    if check:
        found = list(stale())
        if found:
            raise click.ClickException("\n".join([*found, "python android_demo/vectors writes them anew"]))
    else:
        write()
    if not java:
        return
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir(parents=True)
    for name, generate in functions("generate"):
        click.echo(f"{name}: golden/{GENERATED.name}", err=True)
        generate(GENERATED)
    click.echo("mvn -q verify", err=True)
    maven = ["mvn", "-q", "-B", "verify"]
    if subprocess.run(maven, cwd=CORE, check=False).returncode:  # noqa: S603 - of the system, without a shell
        raise click.ClickException("the Java code does not agree with Python: see the failures above")
    for name, examine in functions("examine"):
        click.echo(f"{name}: what Java wrote", err=True)
        examine(GENERATED)


def functions(name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of one name in the modules of this folder, each with the name of its module."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    for path in sorted(HERE.glob("*.py")):
        if path != Path(__file__).resolve():
            found = getattr(importlib.import_module(path.stem), name, None)
            if found is not None:
                yield path.stem, found


def committed() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The files that the repository holds, and what belongs into them."""
    for name, vectors in functions("vectors"):
        yield GOLDEN / f"{name}.json", vectors()


def stale() -> Iterator[str]:
    """How the committed files differ from what would be written: file and key."""
    paths = set(GOLDEN.glob("*.json"))
    for path, vectors in committed():
        paths.discard(path)
        if path.exists():
            expected, found = json.loads(encoded(vectors)), json.loads(path.read_text("utf-8"))
            yield from (f"golden/{path.name}: {difference}" for difference in differences(expected, found))
        else:
            yield f"golden/{path.name}: missing"
    yield from (f"golden/{path.name}: no module writes it" for path in sorted(paths))


def write() -> None:
    """Bring the committed files up to date; one that says the same already stays as it is."""
    GOLDEN.mkdir(exist_ok=True)
    paths = set(GOLDEN.glob("*.json"))
    for path, vectors in committed():
        text = encoded(vectors)
        if path not in paths or any(differences(json.loads(text), json.loads(path.read_text("utf-8")))):
            with replacing(path) as file:
                file.write(text.encode())
        paths.discard(path)
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    main()
