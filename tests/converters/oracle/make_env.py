"""Makes the virtual environment of the oracle: tf_keras, apart from everything else.

``python tests/converters/oracle/make_env.py FOLDER`` (about half a minute, 1.4 GB); run again, it does nothing as long
as the requirements and the Python are the same. The last line that it writes is the path of the new interpreter.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
OLDEST, NEWEST = (3, 11), (3, 13)
"""The Pythons for which all the requirements have wheels."""


def make_env(folder: Path) -> Path:
    """Create or renew the environment, and return its interpreter."""
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "oracle.stamp"
    wanted = f"{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()} {sys.version}"
    if interpreter.exists() and stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        raise SystemExit(f"{folder} is not empty and no virtual environment: name another folder")
    venv.create(folder, clear=True, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(REQUIREMENTS)]
    subprocess.run([str(interpreter), *install], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)  # last: an interrupted installation starts over
    return interpreter


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the virtual environment of the converter's oracle.")
    parser.add_argument("folder", type=Path, help="where to; such as .ci/venv-oracle")
    folder = parser.parse_args().folder
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise SystemExit(f"the oracle needs Python 3.11 to 3.13; {sys.executable} is {sys.version.split()[0]}")
    sys.stdout.write(f"{make_env(folder)}\n")


if __name__ == "__main__":
    main()
