"""Lines, tables and files that the verbs write."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ghostface_edge import Gallery, ModelIdentity
from ghostface_edge.cli import output
from ghostface_edge.errors import OptionError


def test_one_line_escapes_what_would_break_the_line() -> None:
    assert output.one_line("a\nb\tc") == "a b c"
    assert output.one_line("\x1b[31mred") == "\\x1b[31mred"
    assert output.one_line("undecodable \udcff") == "undecodable \\udcff"
    assert output.one_line("Zoë 李") == "Zoë 李"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert output.table(("a", "long"), [("xyz", 1), ("x", "two\nlines")]) == "a    long\nxyz  1\nx    two lines"


@pytest.mark.parametrize(("number", "text"), [(0, "0 people"), (1, "1 person"), (2, "2 people")])
def test_count(number: int, text: str) -> None:
    assert output.count(number, "person", "people") == text


def test_count_makes_the_plural() -> None:
    assert output.count(3, "face") == "3 faces"


def test_say_writes_undecodable_names(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("photo \udcff")
    assert capsys.readouterr().out == "photo \\udcff\n"


def test_say_ends_the_program_where_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(click.exceptions.Exit) as caught:
            output.say("line")
        assert caught.value.exit_code == 141
        print("what the interpreter still holds goes nowhere", flush=True)  # noqa: T201


def test_say_tells_that_stdout_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "stdout").open("w") as closed:
        pass
    for stdout in (None, closed):
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(OptionError, match=r"cannot write to standard output: .*closed"):
            output.say("line")


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full"])
def test_a_program_that_cannot_print_fails(command: list[str], tmp_path: Path, redirection: str) -> None:
    with Gallery.open(tmp_path / "people.db", model=ModelIdentity("net-a")):
        pass
    line = f"{shlex.join([*command, 'gallery', 'list'])} {redirection}"
    done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    (message,) = done.stderr.splitlines()
    assert message.startswith("error: cannot write to standard output: ")
    assert done.returncode == 2


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    output.write_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match=r"cannot write .*folder: not a regular file"):
        output.write_file(tmp_path / "folder", b"new")
    with pytest.raises(OptionError, match=r"cannot write .*nowhere/file: No such file"):
        output.write_file(tmp_path / "nowhere" / "file", b"new")
    assert os.listdir(tmp_path) == ["folder"]


def test_places_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(b"photo")
    Path("link.jpg").symlink_to("photo.jpg")
    output.check_place("new.jpg", "photo.jpg", "missing.jpg")
    output.check_place("photo.jpg", "other.jpg")
    with pytest.raises(OptionError, match=r"the output link\.jpg would replace the input photo\.jpg"):
        output.check_place("link.jpg", "photo.jpg")
    with pytest.raises(OptionError, match="there is no folder nowhere"):
        output.check_place("nowhere/new.jpg")
    with pytest.raises(OptionError, match="/dev/null: not a regular file"):
        output.check_place("/dev/null")


def test_a_folder_that_is_not_writable_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(OptionError, match="is not writable"):
        output.check_place(str(tmp_path / "new.jpg"))


def test_notices_of_native_code_stay_off_the_terminal_and_nothing_else_does() -> None:
    code = """
import os, sys
from ghostface_edge.notices import without_notices
with without_notices():
    os.write(2, b"INFO: Created a delegate.\\nWARNING: odd\\n")
    print("ours", file=sys.stderr, flush=True)
os.write(2, b"INFO: later\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "WARNING: odd\nours\nINFO: later\n"
    assert subprocess.run(["sh", "-c", f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} 2>&-"]).returncode != 139


def test_what_fails_among_notices_is_still_told() -> None:
    code = """
import os
from ghostface_edge.notices import without_notices
with without_notices():
    os.write(2, b"the reason\\n")
    raise ValueError
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "the reason" in done.stderr
    assert "ValueError" in done.stderr
