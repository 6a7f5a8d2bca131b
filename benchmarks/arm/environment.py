"""An aarch64 Python beside the host's own: Debian's interpreter and libraries, and the wheels that a board installs.

The interpreter comes from the Debian archive that this machine takes its own packages from, through ``apt-get`` with
lists and a cache of its own: signatures are checked, nothing on the host changes, and no privileges are needed. The
wheels come through the user's own pip, in the versions that the host has, so that outputs can be compared bit by bit;
pip checks their hashes and unpacks them. All of it stays in the user's cache for whoever needs the same versions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from uuid import uuid4

from ghostface_edge.errors import EvaluationError, RuntimeMissingError
from ghostface_edge.models import ModelStore

_log = logging.getLogger(__name__)

NEEDED = ("numpy", "opencv-python-headless", "pillow", "platformdirs")
"""Distributions that the guest needs in any case."""

RUNTIMES = ("ai-edge-litert", "onnxruntime", "tflite-runtime")
"""Of these, the guest gets what the host has; of LiteRT and its predecessor the one that runs models there."""

_ALSO = ("onnx", "pytest")  # for the tests of the runtime, where the host has them
_DEBIAN = ("python3", "libgomp1", "libstdc++6")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_OS_RELEASE = Path("/etc/os-release")
_GLIBC = (17, 24, 26, 27, 28, 31, 34, 35, 36)  # of manylinux tags (PEP 600), up to Debian 12's
_LAYOUT = 1  # to be raised when folders are built differently
_RECORD = "environment.json"
_BUILD_SECONDS = 600.0
_NETWORK = "the aarch64 environment is not there yet, and making it needs the network: "


@dataclass(frozen=True)
class Environment:
    """A guest's files.

    Attributes:
        folder: Where they are: ``root`` has the system, ``site`` the packages.
        debian: Code name of the release that the system is of.
        python: Version of the interpreter, such as ``3.11``.
        packages: Versions of the distributions that were asked for.
    """

    folder: Path
    debian: str
    python: str
    packages: Mapping[str, str]

    @property
    def interpreter(self) -> Path:
        """The aarch64 Python, below :attr:`folder`."""
        return Path("root/usr/bin") / f"python{self.python}"


def prepare_environment(home: Path | None = None) -> Environment:
    """The environment for the versions that the host has; built if it is not there.

    Args:
        home: Folder of the cache; by default ``arm`` in the model store's.

    Raises:
        RuntimeMissingError: apt-get, dpkg-deb, pip or an inference runtime is missing.
        EvaluationError: Something could not be downloaded or unpacked.
    """
    home = ModelStore().home / "arm" if home is None else home
    packages = _host_packages()
    codename = _codename()
    identity = json.dumps([_LAYOUT, codename, packages], sort_keys=True)
    folder = home / hashlib.sha256(identity.encode()).hexdigest()[:16]
    if not (folder / _RECORD).is_file():
        _build(folder, codename, packages)
    try:
        python = str(json.loads((folder / _RECORD).read_text(encoding="utf-8"))["python"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(f"the aarch64 environment in {folder} is damaged: remove that folder") from error
    return Environment(folder, codename, python, packages)


def _build(folder: Path, codename: str, packages: Mapping[str, str]) -> None:
    """Build in a folder beside, which takes its place when it is complete."""
    work = folder.with_name(f".{uuid4().hex}.tmp")
    try:
        work.mkdir(parents=True)
        _log.info("downloading Debian %s's Python for arm64", codename)
        python = _unpack_system(work, codename)
        _log.info("downloading wheels for aarch64: %s", ", ".join(f"{name} {packages[name]}" for name in packages))
        _install_packages(work, python, packages)
        (work / _RECORD).write_text(json.dumps({"python": python, "packages": dict(packages)}), encoding="utf-8")
        try:
            work.rename(folder)
        except OSError:
            if not (folder / _RECORD).is_file():  # else somebody else was faster
                raise
    except OSError as error:
        raise EvaluationError(f"cannot build an aarch64 environment in {folder.parent}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack_system(work: Path, codename: str) -> str:
    """Debian's Python with all that it depends on, below ``root``; returns its version."""
    apt, unpack = _tool("apt-get", "apt"), _tool("dpkg-deb", "dpkg")
    state = work / "apt"
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    signed = f" signed-by={_KEYRING}" if _KEYRING.is_file() else ""
    (state / "sources.list").write_text(
        "".join(f"deb [target=Packages{signed}] {uri} {codename} main\n" for uri in _archives(apt, codename)),
        encoding="utf-8",
    )
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Update::Error-Mode": "any",  # otherwise apt-get counts an update without network as one that succeeded
        "APT::Sandbox::User": "",  # its user may not read the cache of another
        "Acquire::Languages": "none",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
    }
    apt_get = [apt, "-q", "-y", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    _call([*apt_get, "update"], f"{_NETWORK}apt-get could not read the list of arm64 packages")
    _call([*apt_get, "--download-only", "install", *_DEBIAN], f"{_NETWORK}apt-get could not download Python for arm64")
    root = work / "root"
    for package in sorted((state / "archives").glob("*.deb")):
        _call([unpack, "--extract", str(package), str(root)], f"dpkg-deb could not unpack {package.name}")
    if not (root / "lib").exists():  # Debian 13 and later, where a script of base-files makes this link
        (root / "lib").symlink_to("usr/lib")
    shutil.rmtree(state)
    found = sorted(
        path.name for path in (root / "usr/bin").glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name)
    )
    if not found:
        raise EvaluationError("Debian's package python3 holds no interpreter: this release is not known")
    return found[-1][len("python") :]


def _archives(apt: str, codename: str) -> list[str]:
    """Addresses from which this machine takes the main packages of its release."""
    listed = _call(
        [apt, "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Identifier: Packages"],
        "apt-get could not name its sources",
    )
    entries = [line.split(" ", 2) for line in listed.splitlines()]
    found = {entry[2] for entry in entries if entry[:2] == [codename, "main"]}
    if not found:
        raise EvaluationError(f"apt-get knows no archive of Debian {codename} main: look at /etc/apt/sources.list")
    return sorted(found)


def _install_packages(work: Path, python: str, packages: Mapping[str, str]) -> None:
    wanted = [f"{name}=={version}" for name, version in packages.items()]
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in _GLIBC] + ["manylinux2014_aarch64"]
    abis = [f"cp{python.replace('.', '')}", "abi3", "none"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--target", str(work / "site"), "--only-binary=:all:", "--no-compile", "--implementation", "cp"]
    command += ["--python-version", python, *(part for abi in abis for part in ("--abi", abi))]
    command += [part for platform in platforms for part in ("--platform", platform)]
    try:
        metadata.version("pip")
    except metadata.PackageNotFoundError as error:
        raise RuntimeMissingError(
            f"wheels for aarch64 need pip, which {sys.executable} has not: run -m ensurepip"
        ) from error
    _call([*command, *wanted], f"{_NETWORK}pip could not install the wheels for aarch64")


def _host_packages() -> dict[str, str]:
    """Versions of the distributions for the guest, as the host has them."""
    found = {}
    for name in (*NEEDED, *RUNTIMES, *_ALSO):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError as error:
            if name in NEEDED:
                raise RuntimeMissingError(f"{name} is not installed: pip install {name}") from error
    if "ai-edge-litert" in found:
        found.pop("tflite-runtime", None)  # it has no wheels beyond Python 3.11, which the guest may have
    if not any(name in found for name in RUNTIMES):
        raise RuntimeMissingError('no inference runtime is installed: pip install "ghostface-edge[litert]"')
    return found


def _codename() -> str:
    """The Debian release of this machine."""
    try:
        text = _OS_RELEASE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if values.get("ID", "").strip('"') != "debian" or "VERSION_CODENAME" not in values:
        raise RuntimeMissingError(
            "the aarch64 environment is made of Debian packages by Debian's tools: run this on Debian 12 or later, or "
            "in its container image (debian:stable)"
        )
    return values["VERSION_CODENAME"].strip('"')


def _tool(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise RuntimeMissingError(f"{name} is missing: it is in Debian's package {package}")
    return path


def _call(command: Sequence[str], trouble: str) -> str:
    """What a program printed.

    Raises:
        EvaluationError: It failed; the message begins with ``trouble`` and has the program's own last words.
    """
    try:
        done = subprocess.run(  # noqa: S603 - programs of the system and this interpreter, without a shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_BUILD_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired as error:
        raise EvaluationError(f"{trouble}: no end within {_BUILD_SECONDS:g} s") from error
    if done.returncode:
        words = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in words if line.lower().startswith(("e:", "error"))] or words[-1:]
        reason = "; ".join(errors[:2]) or f"exit code {done.returncode}"
        raise EvaluationError(f"{trouble}: {reason}")
    return done.stdout
