"""Runs the commands of ``docs/networks.md`` again, and puts in what they say.

::

    python docs/networks.py

Charts go where the commands of the page put them.
"""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

from ghostface_edge.cli import main

PAGE = Path(__file__).with_suffix(".md")

_SHOWN = re.compile(
    r"^(```console\n\$ |<!-- )(ghostface-edge [^\n]*?)( -->)?\n(.*?)(?=\n```$|\n$)", re.MULTILINE | re.DOTALL
)


def rewritten(page: str, charts: Path) -> str:
    """The page with what its commands say today: all lines, or those of the table behind a comment.

    Args:
        page: As it is.
        charts: Folder for the charts that it has in ``docs/``.
    """

    def again(found: re.Match[str]) -> str:
        words = shlex.split(found[2])[1:]
        places = [str(charts / Path(word).name) if word.startswith("docs/") else word for word in words]
        with redirect_stdout(io.StringIO()) as said:
            if main(places) != 0:
                raise RuntimeError(found[2])
        answer = said.getvalue().rstrip()
        return f"{found[1]}{found[2]}{found[3] or ''}\n{answer.split(chr(10) * 2)[0]}"

    return _SHOWN.sub(again, page)


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text(), PAGE.parent))
