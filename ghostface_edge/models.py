"""The store of models on this machine: finds, verifies, downloads and converts them.

A *source* is a file as its authors published it: a Keras ``.h5`` checkpoint, or the YuNet ``.onnx`` of the OpenCV Zoo.
A *model* is what runs: a ``.tflite`` or ``.onnx`` with a model card, converted on this machine. Only
:meth:`ModelStore.pull` uses the network; everything else works offline.

::

    HOME/models/NAME/FILE       the source
    HOME/models/NAME/pin.json   sha256 and size first seen: of a model without a published sha256, or one the user added
    HOME/converted/...          models, by source, converter, card and precision

A file takes its place by ``os.replace`` when it is complete, so any number of processes may use one store: the worst
that two of them do is the same work.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union
from uuid import uuid4

from . import signatures
from ._version import CONVERTER_VERSION
from .card import ModelCard
from .catalog import DEFAULT_DETECTOR, DEFAULT_EMBEDDER, KNOWN_MODELS, KnownModel, is_safe_name, require_safe_name
from .choice import AUTO, Choice, candidates, choose, forms
from .cpu import read_cpu
from .download import MAX_BYTES, download
from .errors import (
    ChecksumError,
    ConversionError,
    DownloadError,
    MissingModelError,
    ModelError,
    ModelFileError,
    OptionError,
    RuntimeMissingError,
    StoreError,
    UnknownModelError,
)
from .runtime.opening import MODEL_ENDINGS, RUNTIMES, file_format, installed_runtimes, read_model_card
from .thresholds import measured_thresholds

if TYPE_CHECKING:
    from types import ModuleType

_log = logging.getLogger(__name__)

HOME_VARIABLE = "GHOSTFACE_EDGE_HOME"
FOLDERS_VARIABLE = "GHOSTFACE_EDGE_MODELS"

ModelName = Union[str, "os.PathLike[str]"]

_UNSTATED = "not stated: added by the user of this machine"
_ON_TRUST = "If you trust the source: ghostface-edge models pull {} --allow-unverified"
_STALE = 86_400.0  # seconds after which a temporary file is a dead process's


@dataclass(frozen=True)
class StoredModel:
    """What the store has of one model.

    Attributes:
        name: What the user says.
        kind: ``embedder`` or ``detector``.
        state: ``ready`` (a model that runs is there), ``source`` (it will be converted at first use) or ``missing``.
        path: The model where it is ready, else the source, else None.
        sha256: Of the source; None where it is not known yet.
        size: Of the source in bytes; None where it is not known yet.
        licence: Terms in words.
        note: What a user should know before choosing it.
    """

    name: str
    kind: str
    state: str
    path: Path | None
    sha256: str | None
    size: int | None
    licence: str
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "path": None if self.path is None else str(self.path)}


class ModelStore:
    """Models by name, on this machine.

    Args:
        home: Folder of the store, created when needed; by default ``GHOSTFACE_EDGE_HOME``, else a folder in the user's
            cache.
        folders: Further folders whose files are recognised by sha256, whatever they are called; by default the entries
            of ``GHOSTFACE_EDGE_MODELS``, separated like those of ``PATH``. Nothing is ever written there.
        catalog: The models known by name.

    Raises:
        OptionError: ``home`` is no path, or ``folders`` no list of paths.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        folders: Iterable[str | os.PathLike[str]] | None = None,
        *,
        catalog: Iterable[KnownModel] = KNOWN_MODELS,
    ) -> None:
        self.home = _home() if home is None else _as_path(home, "home")
        self.folders = _folders() if folders is None else _as_paths(folders)
        for folder in self.folders:
            if not os.path.isdir(folder):
                _log.warning("%s is to be searched for models and is not a folder; going on without it", folder)
        self._catalog = {entry.name: entry for entry in catalog}
        self._hashes: dict[tuple[str, int, int, int], str] = {}

    # ------------------------------------------------------------------------------------------------------------
    # What is there

    def known(self) -> tuple[KnownModel, ...]:
        """Every model with a name: the published ones, then those that were added."""
        return tuple(self._entry(name) for name in self._names())

    def list(self) -> tuple[StoredModel, ...]:
        """What the store has of every known model, without network and without conversion."""
        return tuple(self._stored(entry) for entry in self.known())

    def find(self, name: str) -> Path | None:
        """The verified source of a known model, in the store or in the folders; None where there is none.

        Raises:
            UnknownModelError: The name is not known.
        """
        return self._find(self._entry(name))

    def source(self, name: str) -> Path:
        """As :meth:`find`, for a caller who cannot go on without the file.

        Raises:
            UnknownModelError: The name is not known.
            MissingModelError: The file is not on this machine; the message has the two ways to get it, and says why a
                file of the right name in the folders was not taken.
        """
        entry = self._entry(name)
        found = self._find(entry)
        if found is None:
            raise self._missing(entry)
        return found

    def verify(self, name: str) -> StoredModel:
        """Read every byte that the store has of a model again and compare it with the hash and the seal.

        Raises:
            UnknownModelError: The name is not known.
            MissingModelError: There is nothing to verify.
            ChecksumError: The source in the store is not the pinned one.
            ModelFileError: A converted model is damaged.
        """
        self._hashes.clear()
        entry = self._entry(name)
        source = self._place(entry)
        if entry.sha256 is not None:
            if os.path.isfile(source) and self._sha256(source) != entry.sha256:
                cure = "Pull it again" if entry.url else "Remove it and add it again"
                raise ChecksumError(f"{source} has sha256 {self._sha256(source)}, not {entry.sha256}. {cure}")
            for converted in self._conversions(name):
                _card(converted)
        stored = self._stored(entry)
        if stored.path is None:
            raise self._missing(entry)
        return stored

    # ------------------------------------------------------------------------------------------------------------
    # From a name to a file that runs

    def resolve(self, model: ModelName, *, format: str | None = None, precision: str = "float32") -> Path:
        """The file to run for a name or a path; a source is converted on first use. Never downloads.

        Args:
            model: A known name, or a path: an ``.h5`` and the source of a known model are converted, any other file is
                taken as it is.
            format: ``onnx`` or ``tflite``, the file ending of the model; by default what the best runtime of this
                machine runs.
            precision: Numerical form of the weights, such as ``float32``.

        Raises:
            OptionError: ``model`` is of a type that is neither.
            UnknownModelError: Neither a known name nor a path.
            MissingModelError: The file is not on this machine; the message has the two ways to get it.
            ConversionError: The source cannot be converted.
            StoreError: The store cannot be written.
        """
        format = file_format(None) if format is None else format
        for text in (format, precision):
            require_safe_name(text)
        entry = self._convertible(model)
        if entry is None:
            return self._as_it_is(model)
        if self._is_name(model):
            if entry.sha256 is not None:  # the converted file serves even where the source is gone
                converted = self._converted(entry, format, precision)
                if self._serves(converted, entry):
                    return converted
            source = self.source(entry.name)
        else:
            source = self._path(model)
        return self._convert(source, entry, format, precision)

    def choose(
        self, model: ModelName, *, runtime: str | None = None, precision: str = AUTO, beside: str | None = None
    ) -> Choice:
        """The file to run for a name or a path, and why; a source is converted on first use. Never downloads.

        Where the file that this CPU and the installed runtimes compute fastest is neither here nor to be made here, the
        next best serves, and the choice says so.

        Args:
            model: As for :meth:`resolve`.
            runtime: ``litert`` or ``onnx``; by default the best that is installed, see :mod:`ghostface_edge.choice`.
            precision: By default float32 or float16, see there.
            beside: The runtime of another network of the same program: it runs this one too, but where this CPU runs it
                faster on the other. By default there is none.

        Raises:
            OptionError: No such runtime.
            GhostFaceError: As :meth:`resolve`, where no file serves.
        """
        format = file_format(runtime)
        entry = self._convertible(model)
        if precision != AUTO or entry is None:
            return Choice(self.resolve(model, format=format, precision=precision))
        refusals: list[StoreError | RuntimeMissingError | ConversionError] = []

        def find(runtime: str, precision: str) -> Path | None:
            try:
                return self.resolve(model, format=RUNTIMES[runtime], precision=precision)
            except ChecksumError:
                raise  # not the published bytes, which another file must not hide
            except (StoreError, RuntimeMissingError, ConversionError) as error:
                refusals.append(error)
                return None

        features = read_cpu().features
        runtimes = candidates(entry.kind, features, installed_runtimes(), beside) if runtime is None else (runtime,)
        choice = choose(entry.kind, features, runtimes, find)
        if choice is None:
            raise refusals[0]
        if refusals:
            choice = _lacking(choice, model, refusals[0])
        _log.info("%s in %s: %s", model, choice.precision, choice.explanation)
        return choice

    def pull(self, name: str, *, allow_unverified: bool = False, progress: bool | None = None) -> Path:
        """The verified source of a known model, downloaded where it is not on this machine.

        Args:
            name: A known model.
            allow_unverified: Accept a file whose published sha256 is not known for sure, one of the right name in the
                folders before a download; check what can be checked, and pin what was seen: from then on this machine
                takes no other file for that name.
            progress: False for no progress bar; otherwise there is one where stderr is a terminal.

        Raises:
            UnknownModelError: The name is not known.
            ChecksumError: Not the published bytes, or nothing to compare them with and ``allow_unverified`` is False.
            DownloadError: The transfer failed; nothing is left behind.
            StoreError: The store cannot be written.
        """
        entry = self._entry(name)
        _log.info("licence of %s: %s", name, entry.licence)
        found = self._find(entry)
        if found is not None:
            return found
        if not entry.url:
            raise self._missing(entry)
        if entry.sha256 is None and not allow_unverified:
            raise ChecksumError(
                f"no sha256 is known for model {name!r}, so a download of {entry.url} cannot be verified. "
                f"{_ON_TRUST.format(name)} (the file is pinned from then on)"
            )
        found = self._namesake(entry)
        if found is not None and allow_unverified and not entry.confirmed:
            self._accept(entry, found, str(found), allow_unverified=True)
            return found
        place = self._place(entry)
        with _replacing(place) as temporary:
            limit = entry.size if entry.confirmed and entry.size is not None else MAX_BYTES
            try:
                download(entry.url, temporary, max_bytes=limit, progress=progress)
            except DownloadError as error:
                advice = f"Without network, put {entry.file} into a folder named in {FOLDERS_VARIABLE}"
                if found is not None:
                    advice = f"{found}: {self._difference(entry, found)}"
                raise DownloadError(f"{error}. {advice}") from error
            self._accept(entry, temporary, entry.url, allow_unverified=allow_unverified)
        return place

    def add(self, path: str | os.PathLike[str], name: str) -> StoredModel:
        """Copy a model of the user's own into the store, under a name of its own.

        Args:
            path: An ``.onnx`` or ``.tflite`` file with a model card, or a Keras ``.h5`` checkpoint.
            name: Letters, digits, dots, dashes and underscores.

        Raises:
            OptionError: The name is not usable, or taken.
            MissingModelError: There is no such file.
            ModelFileError: Not an ``.onnx``, ``.tflite`` or ``.h5`` file, or a damaged one.
            ModelCardError: A model without a card.
            StoreError: The store cannot be written.
        """
        require_safe_name(name)
        # Compared without case, because a file system may do the same.
        if name.lower() in {known.lower() for known in self._names()}:
            raise OptionError(f"the model name {name!r} is taken: choose another one")
        source = self._path(path)
        suffix = source.suffix.lower()
        kind, licence = "embedder", _UNSTATED
        if suffix in MODEL_ENDINGS:
            card = _card(source)
            kind, licence = card.kind, card.licence
        elif suffix == ".h5":
            _require_hdf5(source, source)
        else:
            raise ModelFileError(f"{source} is none of an .onnx, a .tflite and an .h5 file")
        entry = KnownModel(name, kind, name + suffix, "", licence, confirmed=True, note=f"added from {source.name}")
        with _replacing(self._place(entry)) as temporary:
            shutil.copyfile(source, temporary)
            entry = replace(entry, sha256=self._sha256(temporary), size=temporary.stat().st_size)
        self._pin(entry)
        return self._stored(entry)

    def remove(self, name: str) -> bool:
        """Forget what the store holds of a model: its source, its pin, what it was converted to and an added name.

        Returns:
            Whether there was anything.

        Raises:
            UnknownModelError: The name is not known.
            StoreError: The files cannot be removed.
        """
        folder = self._place(self._entry(name)).parent
        doomed = [*self._conversions(name)]
        if os.path.isdir(folder):
            doomed.append(folder)
        for path in doomed:
            with _errors("remove", path):
                shutil.rmtree(path) if path == folder else path.unlink(missing_ok=True)
        return bool(doomed)

    # ------------------------------------------------------------------------------------------------------------
    # Names, pins and places

    def _names(self) -> tuple[str, ...]:
        folder = self.home / "models"
        added = (name for name in _listing(folder) if os.path.isfile(folder / name / "pin.json"))
        return (*self._catalog, *(name for name in added if name not in self._catalog))

    def _entry(self, name: str) -> KnownModel:
        known = self._catalog.get(name)
        pinned = self._pinned(name) if is_safe_name(name) else None
        if pinned is None:
            if known is None:
                raise UnknownModelError(f"no model is called {name!r}; the known ones are {', '.join(self._names())}")
            return known
        if known is None:
            return pinned
        # What was once accepted is what this machine uses, with no second exception.
        return replace(known, sha256=pinned.sha256, size=pinned.size, confirmed=True)

    def _pinned(self, name: str) -> KnownModel | None:
        path = self.home / "models" / name / "pin.json"
        with _errors("look into", path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            pinned = KnownModel(**json.loads(data.decode("utf-8")))
            if pinned.name != name or pinned.sha256 is None or pinned.size is None:
                raise OptionError("it names another model, or no sha256 and size")
        except (ValueError, TypeError, RecursionError) as error:
            raise StoreError(f"the pin {path} cannot be used: {error}. Remove the folder {path.parent}") from error
        return pinned

    def _pin(self, entry: KnownModel) -> None:
        text = json.dumps(entry.to_dict(), indent=1, sort_keys=True)
        with _replacing(self._place(entry).with_name("pin.json")) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")

    def _place(self, entry: KnownModel) -> Path:
        return self.home / "models" / entry.name / entry.file

    def _converted(self, entry: KnownModel, format: str, precision: str) -> Path:
        # The card holds the name, the licence and our measured thresholds: when one of them changes, so does the file.
        thresholds = [threshold.to_dict() for threshold in measured_thresholds(entry.sha256 or "", precision)]
        recipe = [entry.sha256, CONVERTER_VERSION, entry.name, entry.licence, thresholds]
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        return self.home / "converted" / f"{entry.name}-{precision}-{digest}.{format}"

    def _conversions(self, name: str) -> tuple[Path, ...]:
        """All that a model was converted to, as :meth:`_converted` names it."""
        # No precision and no hash has a dash, so the files of `a-b` are not those of `a`.
        pattern = re.compile(re.escape(name) + r"-[^-]+-[0-9a-f]{16}\.[^-]+")
        folder = self.home / "converted"
        return tuple(folder / file for file in _listing(folder) if pattern.fullmatch(file))

    def _is_name(self, model: ModelName) -> bool:
        return isinstance(model, str) and model in self._names()

    def _convertible(self, model: ModelName) -> KnownModel | None:
        """The entry of what has to be converted; None for a file that runs as it is."""
        entry = self._entry(str(model)) if self._is_name(model) else self._recognise(self._path(model))
        if entry is None or (not entry.url and Path(entry.file).suffix.lower() in MODEL_ENDINGS):
            return None  # of no known source, or added by the user with a card
        return entry

    def _as_it_is(self, model: ModelName) -> Path:
        return self.source(str(model)) if self._is_name(model) else self._path(model)

    def _path(self, model: ModelName) -> Path:
        """An existing file; a text that does not even look like a path is an unknown name."""
        path = _as_path(model, "model")
        if os.path.isfile(path):
            return path
        if isinstance(model, str) and not re.search(r"[/\\]|\.(onnx|h5|tflite)$", model, re.IGNORECASE):
            self._entry(model)  # raises: unknown
        raise MissingModelError(f"there is no model file {str(path)!r}")

    def _recognise(self, source: Path) -> KnownModel | None:
        """The entry of a source given by path: a known one, or one made for this ``.h5``; None for any other file."""
        for entry in self.known():
            if entry.sha256 is not None and self._is(source, entry):
                return entry
        if source.suffix.lower() != ".h5":
            return None
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem).strip("-._")[:64] or "model"
        sha256, size = self._sha256(source), source.stat().st_size
        return KnownModel(name, "embedder", "source.h5", "", _UNSTATED, sha256=sha256, size=size, confirmed=True)

    def _missing(self, entry: KnownModel) -> MissingModelError:
        if not entry.url:
            where = self._place(entry)
            return MissingModelError(
                f"model {entry.name!r} was added, but {where} is gone or damaged. Remove and add it again"
            )
        missing = self._missing_with(entry)
        names, which = " and ".join(repr(item.name) for item in missing), f" {entry.name}"
        said = f"model {names} is not on this machine"
        if len(missing) > 1:
            said, which = f"models {names} are not on this machine", ""  # without a name, pull gets the default models
        rejected = [
            f"{path}: {self._difference(item, path)}"
            for item in missing
            if item.sha256 is not None and (path := self._namesake(item)) is not None
        ]
        ways = (
            f"Run: ghostface-edge models pull{which}{'' if entry.sha256 else ' --allow-unverified'}; or put "
            f"{' and '.join(item.file for item in missing)} into a folder named in {FOLDERS_VARIABLE}"
            f"{'' if entry.sha256 else ' and run the same'}"
        )
        return MissingModelError(". ".join((said, *rejected, ways)))

    def _missing_with(self, entry: KnownModel) -> tuple[KnownModel, ...]:
        """The missing entry; with a default model the other one too if it is missing, for the main job needs both."""
        defaults = [self._entry(name) for name in (DEFAULT_DETECTOR, DEFAULT_EMBEDDER) if name in self._catalog]
        if entry not in defaults:
            return (entry,)
        return tuple(item for item in defaults if item == entry or self._stored(item).state == "missing")

    # ------------------------------------------------------------------------------------------------------------
    # Bytes

    def _find(self, entry: KnownModel) -> Path | None:
        if entry.sha256 is None:
            return None
        place = self._place(entry)
        for path in (place, *self._files()):
            if self._is(path, entry):
                return path
        if os.path.isfile(place):
            _log.warning("%s is damaged and is not used", place)
        return None

    def _namesake(self, entry: KnownModel) -> Path | None:
        """A file in the folders that is called as the source is, whatever is in it."""
        paths = (folder / entry.file for folder in self.folders)
        return next((path for path in paths if os.path.isfile(path)), None)

    def _is(self, path: Path, entry: KnownModel) -> bool:
        """Whether a file is this source; only one of the right size is read."""
        try:
            return entry.size in (None, path.stat().st_size) and self._sha256(path) == entry.sha256
        except (OSError, StoreError) as error:
            _log.debug("skipped %s: %s", path, error)
            return False

    def _files(self) -> Iterator[Path]:
        """The regular files of the searched folders, in the order of the folders."""
        for folder in self.folders:
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                _log.debug("skipped %s: %s", folder, error)
                continue
            # isfile is False for a pipe, a loop of links and a link to nothing
            yield from (folder / name for name in names if os.path.isfile(folder / name))

    def _sha256(self, path: Path) -> str:
        """Hexadecimal sha256 of a file, remembered for as long as the file looks the same."""
        with _errors("read", path):
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns, status.st_ino)
            if key not in self._hashes:
                digest = hashlib.sha256()
                with path.open("rb") as file:
                    for block in iter(lambda: file.read(1 << 20), b""):
                        digest.update(block)
                self._hashes[key] = digest.hexdigest()
            return self._hashes[key]

    def _accept(self, entry: KnownModel, path: Path, origin: str, *, allow_unverified: bool) -> None:
        """Take a file that was just downloaded, or found by its name, as the source of a model; or say why not."""
        sha256, size = self._sha256(path), path.stat().st_size
        if sha256 == entry.sha256:
            return
        origin = f"model {entry.name!r} from {origin}"
        if entry.confirmed or (entry.sha256 is not None and not allow_unverified):
            raise ChecksumError(f"{origin}: {self._difference(entry, path)}")
        _require_hdf5(path, origin)
        if entry.sha256 is None and entry.git_blob not in (None, _git_blob(path)):
            raise ChecksumError(
                f"{origin}: git object id {_git_blob(path)} is not that of the public copies, {entry.git_blob}. If you "
                "trust the file: ghostface-edge models add FILE NAME"
            )
        _log.warning("model %s is unverified; pinned: sha256 %s, %d bytes", entry.name, sha256, size)
        self._pin(replace(entry, sha256=sha256, size=size, confirmed=True))

    def _difference(self, entry: KnownModel, path: Path) -> str:
        """Why a file is not the source of a model whose sha256 is known, and what to do if it is to be taken anyway."""
        whose = "the one published or pinned" if entry.confirmed else "the copy we tested"
        return (
            f"sha256 {self._sha256(path)} ({path.stat().st_size} bytes) is not {whose}, {entry.sha256} "
            f"({entry.size} bytes)" + ("" if entry.confirmed else f". {_ON_TRUST.format(entry.name)}")
        )

    def _serves(self, path: Path, entry: KnownModel) -> bool:
        """Whether a converted file is there, undamaged and made from this source."""
        if not os.path.isfile(path):
            return False
        try:
            return _card(path).source.sha256 == entry.sha256
        except (ModelError, StoreError) as error:
            _log.warning("%s; it will be converted again", error)
            return False

    def _convert(self, source: Path, entry: KnownModel, format: str, precision: str) -> Path:
        place = self._converted(entry, format, precision)
        if self._serves(place, entry):
            return place
        _log.info("converting %s to %s %s", source, format, precision)
        with _temporary(place) as folder, _errors("write", place):
            folder.mkdir()
            made = _converter().convert(
                source, folder, to=format, precision=precision, licence=entry.licence, name=entry.name
            )
            if not self._serves(Path(made.path), entry):
                raise ModelFileError(f"{source} changed while it was converted; try again")
            _publish(Path(made.path), place)
        return place

    def _stored(self, entry: KnownModel) -> StoredModel:
        path = self._find(entry)
        state = "missing" if path is None else "source"
        if path is not None and not entry.url and path.suffix in MODEL_ENDINGS:
            state = "ready"
        elif entry.sha256 is not None:
            features = read_cpu().features
            best, *others = forms(features, candidates(entry.kind, features, installed_runtimes()))
            # With its source here, the best is made at first use; without it, whatever there is serves.
            for runtime, precision in (best, *(others if path is None else ())):
                converted = self._converted(entry, RUNTIMES[runtime], precision)
                if self._serves(converted, entry):
                    state, path = "ready", converted
                    break
        return StoredModel(entry.name, entry.kind, state, path, entry.sha256, entry.size, entry.licence, entry.note)


def _lacking(choice: Choice, model: ModelName, lack: Exception) -> Choice:
    """A choice of the second best, with what keeps the best from being here, or the command that gets it."""
    if isinstance(lack, MissingModelError):
        return replace(choice, advice=f"ghostface-edge models pull {model}")
    if isinstance(lack, RuntimeMissingError):
        return replace(choice, advice=str(lack))
    return replace(choice, reason=f"{choice.reason}, and none can be made: {lack}")


def _home() -> Path:
    configured = os.environ.get(HOME_VARIABLE)
    if configured:
        return Path(os.path.expanduser(configured))
    from platformdirs import user_cache_path

    return user_cache_path("ghostface-edge", appauthor=False)


def _folders() -> tuple[Path, ...]:
    entries = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return tuple(Path(os.path.expanduser(entry)) for entry in entries if entry)


def _as_path(value: ModelName, what: str) -> Path:
    try:
        path = Path(value)
    except TypeError as error:
        raise OptionError(f"{what} {value!r} is not a path, but of type {type(value).__name__}") from error
    if "\0" in str(path):
        raise OptionError(f"{what} {value!r} is not a path, for it holds a NUL")
    return path


def _as_paths(folders: Iterable[ModelName]) -> tuple[Path, ...]:
    if isinstance(folders, (str, bytes, os.PathLike)) or not isinstance(folders, Iterable):
        raise OptionError(f"folders {folders!r} is not a list of folders")
    return tuple(_as_path(folder, "folder") for folder in folders)


def _listing(folder: Path) -> list[str]:
    """What lies in a folder of the store, in order; nothing where there is no such folder."""
    with _errors("look into", folder):
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []


def _converter() -> ModuleType:
    # By name, because the folder stands beside this package in a checkout and inside it only once installed.
    return import_module("ghostface_edge.converters.convert")


def _card(path: Path) -> ModelCard:
    """The card of a model file, its seal checked; messages name the file."""
    with _errors("read", path):
        data = path.read_bytes()
    return read_model_card(data, str(path))


def _require_hdf5(path: Path, origin: object) -> None:
    with _errors("read", path), path.open("rb") as file:
        if file.read(len(signatures.HDF5)) != signatures.HDF5:
            raise ModelFileError(f"{origin}: not a Keras .h5 file, for it has no HDF5 signature")


def _git_blob(path: Path) -> str:
    """Git's object id of a file, sha1 of ``blob SIZE NUL CONTENT``: to compare with public copies, not a proof."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _errors(verb: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = "" if verb == "read" else f". {HOME_VARIABLE} moves the store to another folder"
        raise StoreError(f"cannot {verb} {path}: {error.strerror or error}{advice}") from error


@contextmanager
def _temporary(place: Path) -> Iterator[Path]:
    """A free name beside ``place``; whatever lies there when the block ends is removed."""
    with _errors("write", place):
        place.parent.mkdir(parents=True, exist_ok=True)
        leftovers = list(place.parent.glob(".*.tmp"))
    for left in leftovers:
        with suppress(OSError):  # another process may be tidying too
            if time.time() - left.stat().st_mtime > _STALE:
                _discard(left)
    # Not tempfile.mkstemp: its mode 0600 would keep a store that root fills from everybody else.
    temporary = place.with_name(f".{uuid4().hex}.tmp")
    try:
        yield temporary
    finally:
        _discard(temporary)


def _discard(path: Path) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # the folder may be closed to us: that is what the caller hears of, not this
            path.unlink()


@contextmanager
def _replacing(place: Path) -> Iterator[Path]:
    """A path to write to; it takes ``place`` if the block ends well, and vanishes if it does not."""
    with _temporary(place) as temporary, _errors("write", place):
        yield temporary
        _publish(temporary, place)


def _publish(temporary: Path, place: Path) -> None:
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, place)
