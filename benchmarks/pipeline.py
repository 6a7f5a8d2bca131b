"""How long each step of a photo's way takes: decoding, detection, alignment, embedding, and the search in a gallery.

Each picture goes its way twice, in turns first one and then the other: step by step through the public parts that
:meth:`FaceEngine.faces` is made of (for the main face alone, :meth:`FaceEngine.face`), and at once through that method.
So the steps are those of what users run, and what the engine adds to them is the difference on the same picture.
"""

from __future__ import annotations

import base64
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.alignment import align
from ghostface_edge.detection import ScalingDetector
from ghostface_edge.detection.main_face import main_face
from ghostface_edge.engine import FaceEngine
from ghostface_edge.errors import EvaluationError, ImageError, NoFaceError, OptionError
from ghostface_edge.gallery import EXPORT_FORMAT, EXPORT_VERSION, Gallery
from ghostface_edge.image import ImageSource
from ghostface_edge.types import Detection, Face, ModelIdentity, Template

from .contenders import undisturbed
from .device import Condition, Device
from .run_file import Row, Run
from .samples import LEAST, QUICK_LEAST, QUICK_SECONDS, SECONDS, Samples, Subject, preemptions, warmed_up
from .shots import Shot, Shots, source

ENGINE, ENGINE_MAIN, WHOLE = "FaceEngine.faces", "FaceEngine.face", "whole"
"""Stages beside the steps: the engine's own call, that for the main face, and the call with the search for each of its
faces."""

_PER_FACE = " per face"
_BY_FACE = ("align", "embed", "match")
"""Steps whose work is in proportion to the faces; the others look at the whole picture."""

_RESAMPLES, _SEED = 2000, 0
_FEW_PAIRS = 10


@dataclass(frozen=True)
class Lap:
    """One part of a picture's way.

    Attributes:
        seconds: What it took.
        disturbed: Whether the system took the CPU away meanwhile, to let another program run.
    """

    seconds: float
    disturbed: bool

    def __add__(self, other: Lap) -> Lap:
        return Lap(self.seconds + other.seconds, self.disturbed or other.disturbed)


@dataclass(frozen=True)
class Steps:
    """One picture's way, step by step.

    Attributes:
        laps: Each step by its name; no alignment, embedding or search where there is no face. The first is getting the
            picture in, and giving its memory back at the end.
        detections: The faces, largest first.
        embeddings: (N, D) float32, in the same order.
    """

    laps: Mapping[str, Lap]
    detections: tuple[Detection, ...]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True)
class AtOnce:
    """One picture's way through the engine.

    Attributes:
        engine: :meth:`FaceEngine.faces` or :meth:`FaceEngine.face`.
        whole: The same, and the searches for its faces.
        faces: What it found.
    """

    engine: Lap
    whole: Lap
    faces: tuple[Face, ...]


class Pipeline:
    """An engine and a gallery with a clock beside them.

    Args:
        engine: Detector and embedder.
        gallery: Of the engine's model.
        step: What getting a picture in is called.
        clock: Seconds that only grow.
        main: Look for the main face alone.
    """

    def __init__(
        self,
        engine: FaceEngine,
        gallery: Gallery,
        step: str,
        clock: Callable[[], float] = time.perf_counter,
        *,
        main: bool = False,
    ) -> None:
        self._engine, self._gallery, self._step, self._clock, self._main = engine, gallery, step, clock, main

    def step_by_step(self, shot: Shot) -> Steps:
        """The parts of the engine one by one, with the arguments that the engine gives them."""
        engine = self._engine
        laps: dict[str, Lap] = {}
        lap = self._watch()
        image = engine.open(source(shot))
        laps[self._step] = lap()
        lap = self._watch()
        detector = engine.detector
        detect = detector.detect_main if self._main and isinstance(detector, ScalingDetector) else detector.detect
        found: Sequence[Detection] = detect(image)
        laps["detect"] = lap()
        # The engine's order, which decides about the rows of a batch. That it sorts or chooses is its own time.
        found = tuple(sorted(found, key=lambda item: -item.box.area))
        if self._main and found:
            found = (main_face(image, found),)
        if not found:
            lap = self._watch()
            del image
            laps[self._step] += lap()
            return Steps(laps, (), np.empty((0, engine.card.embedding_size), dtype=np.float32))
        lap = self._watch()
        crops = np.stack([align(image, item.landmarks, size=engine.embedder.crop_size) for item in found])
        laps["align"] = lap()
        lap = self._watch()
        embeddings = engine.embedder.embed(crops)
        laps["embed"] = lap()
        lap = self._watch()
        del image, crops  # as when the engine's method ends: giving megabytes back takes its time
        laps[self._step] += lap()
        templates = [Template(embedding, engine.model) for embedding in embeddings]
        lap = self._watch()
        for template in templates:
            self._gallery.search(template)
        laps["match"] = lap()
        return Steps(laps, found, embeddings)

    def at_once(self, shot: Shot) -> AtOnce:
        """What a user writes: the faces of a picture, and a search for each."""
        lap = self._watch()
        faces = self._faces(source(shot))
        engine = lap()
        for face in faces:
            self._gallery.search(face)
        return AtOnce(engine, lap(), faces)

    def _faces(self, photo: ImageSource) -> tuple[Face, ...]:
        if not self._main:
            return self._engine.faces(photo)
        try:
            return (self._engine.face(photo),)
        except NoFaceError:
            return ()

    def _watch(self) -> Callable[[], Lap]:
        """Starts the clock; what it returns reads it.

        The system takes the CPU away when a system call ends, which asking for preemptions is. Were that between two
        laps, steps would seem to take less than the whole: so one call is within the lap at each of its ends.
        """
        start = self._clock()
        taken = preemptions()

        def lap() -> Lap:
            preemptions()
            seconds = self._clock() - start
            return Lap(seconds, preemptions() != taken)

        return lap


def measure_pipeline(
    engine: FaceEngine,
    shots: Shots,
    *,
    templates: int = 1000,
    file_sha256: str = "",
    seconds: float | None = None,
    least: int | None = None,
    quick: bool = False,
    main: bool = False,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[float], object] = lambda share: None,
) -> Run:
    """Time an engine on pictures, in whole rounds of them.

    All pictures were opened once before, so that files come from memory and not from a disk. Ctrl-C ends the run: the
    rounds that are whole are returned, or what there is of the first.

    Args:
        engine: Detector and embedder.
        shots: The pictures of a round. Those that cannot be opened are left out, and named in the settings.
        templates: People in the gallery that is searched, one template each.
        file_sha256: Of the embedder's file, for the results.
        seconds: For all of it at least; by default :data:`~.samples.SECONDS`, quick :data:`~.samples.QUICK_SECONDS`.
        least: Pictures at least, those of later rounds counted again; by default :data:`~.samples.LEAST`, quick
            :data:`~.samples.QUICK_LEAST`.
        quick: Take fewer samples, which are flagged.
        main: Look for the main face of each picture alone.
        clock: Seconds that only grow.
        progress: Is told the share that is done, 0 to 1, after each picture.

    Raises:
        EvaluationError: No picture can be opened.
        OptionError: A senseless number.
        GhostFaceError: As the engine raises it.
        KeyboardInterrupt: Ctrl-C before the first picture was through.
    """
    seconds = (QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds
    least = (QUICK_LEAST if quick else LEAST) if least is None else least
    if templates < 1 or least < 1 or not 0 <= seconds < math.inf:
        raise OptionError(
            f"templates={templates!r}, seconds={seconds!r}, least={least!r}: at least 1 template, 0 seconds, 1 picture"
        )
    device, before = Device.here(), Condition.now()
    numbers, left_out = _usable(engine, shots)
    with random_gallery(engine.model, engine.card.embedding_size, templates) as gallery:
        pipeline = Pipeline(engine, gallery, shots.step, clock, main=main)
        rounds, warm, complete = _rounds(pipeline, shots, numbers, seconds, least, clock, progress)
    after = Condition.now()
    throttled = after.throttled_since(before)
    flags = [
        *(["quick"] if seconds < SECONDS or least < LEAST else []),
        *([] if warm else ["warming"]),
        *(["throttled"] if throttled else []),
        *(["emulated"] if device.emulated else []),
    ]
    last = rounds[-1]
    return Run(
        kind="pipeline",
        device=device,
        conditions=(before, after),
        settings={
            "shots": shots.describe(),
            "pictures": len(numbers),
            "faces": sum(len(at_once.faces) for _, at_once in last),
            "left_out": left_out,
            "templates": templates,
            "detector": engine.detector.name,
            "flip": engine.embedder.flip,
            "main": main,
            "quick": quick,
            "seconds": seconds,
            "least": least,
            "throttled": list(throttled),
        },
        rows=_rows(_subject(engine, file_sha256), rounds, shots.step, ENGINE_MAIN if main else ENGINE, flags, complete),
        complete=complete,
    )


_Pass = tuple[Steps, AtOnce]


def _usable(engine: FaceEngine, shots: Shots) -> tuple[list[int], dict[str, str]]:
    """Which pictures can be opened, and why the others cannot."""
    numbers, left_out = [], {}
    for number in range(len(shots)):
        shot = shots.shot(number)
        try:
            engine.open(source(shot))
        except ImageError as error:
            left_out[str(shot)] = str(error)
            continue
        numbers.append(number)
    if not numbers:
        raise EvaluationError(f"none of {shots.describe()} can be opened: {next(iter(left_out.values()))}")
    return numbers, left_out


def _rounds(
    pipeline: Pipeline,
    shots: Shots,
    numbers: Sequence[int],
    seconds: float,
    least: int,
    clock: Callable[[], float],
    progress: Callable[[float], object],
) -> tuple[list[list[_Pass]], bool, bool]:
    """Rounds of pictures, each picture both ways; whether it was warm before, and whether nobody interrupted."""
    rounds: list[list[_Pass]] = []
    current: list[_Pass] = []
    warm = False
    ahead = _endless(numbers)
    try:
        warm = warmed_up(lambda: _both(pipeline, shots.shot(next(ahead)), turn=0), clock)
        begin, done = clock(), 0
        while not (rounds and done >= least and clock() - begin >= seconds):
            current = []
            for number in numbers:
                current.append(_both(pipeline, shots.shot(number), turn=done))
                done += 1
                progress(min(done / max(least, len(numbers)), (clock() - begin) / seconds if seconds else 1, 1))
            rounds.append(current)
    except KeyboardInterrupt:
        if not rounds and not current:
            raise
        return rounds or [current], warm, False
    return rounds, warm, True


def _endless(numbers: Sequence[int]) -> Iterator[int]:
    while True:
        yield from numbers


def _both(pipeline: Pipeline, shot: Shot, turn: int) -> _Pass:
    """One picture both ways; which is first changes from turn to turn, because the second finds warm caches."""
    if turn % 2:
        at_once = pipeline.at_once(shot)
        return pipeline.step_by_step(shot), at_once
    steps = pipeline.step_by_step(shot)
    return steps, pipeline.at_once(shot)


def _subject(engine: FaceEngine, file_sha256: str) -> Subject:
    card, session = engine.card, engine.embedder.session
    return Subject(
        name=f"{card.name} with {engine.model.detector}",
        model_id=card.model_id,
        precision=card.precision,
        runtime=engine.runtimes,
        threads=session.threads,
        file_sha256=file_sha256,
        stage="",
    )


def _rows(
    subject: Subject,
    rounds: Sequence[Sequence[_Pass]],
    first: str,
    call: str,
    flags: Sequence[str],
    complete: bool,
) -> tuple[Row, ...]:
    steps = (first, "detect", *_BY_FACE)
    stages: dict[str, list[list[Lap]]] = {
        name: [[way.laps[name] for way, _ in passes if name in way.laps] for passes in rounds] for name in steps
    }
    stages[call] = [[at_once.engine for _, at_once in passes] for passes in rounds]
    stages[WHOLE] = [[at_once.whole for _, at_once in passes] for passes in rounds]
    for name in _BY_FACE:
        stages[name + _PER_FACE] = [
            [_shared(way.laps[name], len(way.detections)) for way, _ in passes if name in way.laps] for passes in rounds
        ]
    stages[WHOLE + _PER_FACE] = [
        [_shared(at_once.whole, len(at_once.faces)) for _, at_once in passes if at_once.faces] for passes in rounds
    ]
    totals = {name: sum(lap.seconds for laps in stages[name] for lap in laps) for name in (*steps, WHOLE)}
    rows = []
    for name, laps_of_rounds in stages.items():
        if not any(laps_of_rounds):  # no picture has a face
            continue
        samples = Samples(replace(subject, stage=name))
        samples.complete = complete
        for laps in filter(None, laps_of_rounds):
            samples.add([lap.seconds for lap in laps], disturbed=[lap.disturbed for lap in laps])
        figures: dict[str, Any] = dict(undisturbed(samples))
        if name in steps:
            figures["share"] = totals[name] / sum(totals[step] for step in steps)
        if name == call:
            figures.update(_added(rounds))
        if name == WHOLE:
            figures["frames_per_second"] = len(samples) / totals[WHOLE]
            figures["faces"] = dict(sorted(Counter(str(len(item.faces)) for _, item in rounds[-1]).items()))
        rows.append(Row(samples.subject, samples.summary(*flags), figures))
    return tuple(rows)


def _shared(lap: Lap, faces: int) -> Lap:
    return replace(lap, seconds=lap.seconds / faces)


def _added(rounds: Sequence[Sequence[_Pass]]) -> dict[str, Any]:
    """What the engine adds to its steps on the same picture: the median, milliseconds, and its 95 % interval.

    Of pictures on whose two ways no other program was let in, where there are enough of them.
    """
    found = []
    for way, at_once in (both for passes in rounds for both in passes):
        parts = [lap for name, lap in way.laps.items() if name != "match"]
        disturbed = at_once.engine.disturbed or any(lap.disturbed for lap in parts)
        found.append((at_once.engine.seconds, sum(lap.seconds for lap in parts), disturbed))
    pairs = [(engine, steps) for engine, steps, disturbed in found if not disturbed]
    if len(pairs) < _FEW_PAIRS:
        pairs = [(engine, steps) for engine, steps, _ in found]
    added = np.array([engine - steps for engine, steps in pairs]) * 1e3
    drawn = np.random.default_rng(_SEED).integers(0, len(added), (_RESAMPLES, len(added)), dtype=np.int32)
    low, high = np.percentile(np.median(added[drawn], axis=1), (2.5, 97.5))
    return {
        "steps_ms": float(np.median([steps for _, steps in pairs])) * 1e3,
        "added_ms": float(np.median(added)),
        "added_low_ms": float(low),
        "added_high_ms": float(high),
        "pairs": len(pairs),
    }


@contextmanager
def random_gallery(model: ModelIdentity, size: int, people: int) -> Iterator[Gallery]:
    """A gallery of people who do not exist, one template each, always the same; it is gone afterwards.

    Args:
        model: What it is opened with.
        size: Numbers per template.
        people: How many.
    """
    rng = np.random.default_rng(_SEED)
    day = "2026-01-01T00:00:00.000Z"
    header = {"format": EXPORT_FORMAT, "version": EXPORT_VERSION, "model_id": model.model_id}
    with tempfile.TemporaryDirectory(prefix="ghostface-edge-") as folder:
        export = Path(folder) / "people.jsonl"
        # An import is one transaction; enrolling one by one would flush the disk for each.
        with export.open("w", encoding="utf-8") as file:
            file.write(json.dumps({**header, "people": people, "templates": people}) + "\n")
            for number in range(people):
                vector = rng.standard_normal(size).astype(np.float32)
                vector /= np.linalg.norm(vector)
                template = {
                    "precision": model.precision,
                    "detector": model.detector,
                    "enrolled_at": day,
                    "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
                }
                person = {"name": f"person {number:07}", "enrolled_at": day, "updated_at": day, "templates": [template]}
                file.write(json.dumps(person) + "\n")
        with Gallery.open(Path(folder) / "people.db", model=model) as gallery:
            gallery.import_(export)
            export.unlink()
            yield gallery
