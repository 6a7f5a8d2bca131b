"""Verification accuracy from original photos: LFW View 2, and every comparison among its photos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ghostface_edge.errors import EvaluationError
from ghostface_edge.types import ModelIdentity, Threshold

from .enrolment import Engine, enrol
from .metrics import CrossValidation, OperatingPoint, Scores, cross_validate
from .pairs import Pair, photos_of


@dataclass(frozen=True)
class ErrorRates:
    """How often a set of comparisons goes wrong.

    Attributes:
        genuine: Number of comparisons of one person.
        impostor: Number of comparisons of two people.
        equal_error_rate: Where FMR and FNMR are the same.
        points: Thresholds and errors, from the highest false-match rate to the lowest that the data support.
    """

    genuine: int
    impostor: int
    equal_error_rate: float
    points: tuple[OperatingPoint, ...]

    @classmethod
    def of(cls, scores: Scores) -> ErrorRates:
        """The error rates of scores."""
        points = tuple(scores.at(fmr) for fmr in scores.supported_fmrs())
        return cls(len(scores.genuine), len(scores.impostor), scores.equal_error_rate(), points)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**vars(self), "points": [point.to_dict() for point in self.points]}


@dataclass(frozen=True)
class LfwAccuracy:
    """What LFW says about a model with a detector.

    Attributes:
        model: Model, precision and detector.
        photos: Number of photos that the pairs name.
        people: Number of people in them.
        failures: Photos in which no face was found.
        failed_pairs: Pairs of View 2 with such a photo; they are answered "different".
        view2: Ten-fold accuracy on View 2.
        pairs: Error rates over the pairs of View 2.
        all_pairs: Error rates over all comparisons among the photos: steadier, and what thresholds are taken from.
        seconds: Time from the first photo to the last embedding.
    """

    model: ModelIdentity
    photos: int
    people: int
    failures: tuple[str, ...] = field(repr=False)
    failed_pairs: int
    view2: CrossValidation = field(repr=False)
    pairs: ErrorRates = field(repr=False)
    all_pairs: ErrorRates = field(repr=False)
    seconds: float

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The thresholds over all pairs, for the model card.

        Raises:
            EvaluationError: No threshold reaches one of the rates: too many photos of different people are equal.
        """
        dataset = f"LFW, all pairs of the {self.photos:,} photos of View 2"
        result = []
        for point in self.all_pairs.points:
            if point.threshold >= 1:
                raise EvaluationError(
                    f"no threshold below 1 reaches an FMR of {point.fmr:g}: too many photos of different people are "
                    "equal. Look for copies of one photo under two names"
                )
            missed = point.false_non_matches
            impostors = point.false_matches.total
            entry = Threshold(
                point.fmr, point.threshold, self.model.detector, missed.value, impostors, missed.total, dataset
            )
            result.append(entry)
        return tuple(result)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model": self.model.to_dict(),
            "photos": self.photos,
            "people": self.people,
            "failures": list(self.failures),
            "failed_pairs": self.failed_pairs,
            "view2": self.view2.to_dict(),
            "pairs": self.pairs.to_dict(),
            "all_pairs": self.all_pairs.to_dict(),
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """A short report for people."""
        view2, pairs, everything = self.view2, self.pairs, self.all_pairs
        lines = [
            f"LFW: {self.model.model_id}, {self.model.precision}, detector {self.model.detector}",
            f"{self.photos:,} photos of {self.people:,} people in {self.seconds:.0f} s; no face found in "
            f"{len(self.failures)} ({self.failed_pairs} pairs of View 2)",
            f"View 2, {pairs.genuine + pairs.impostor:,} pairs in {len(view2.folds)} folds: "
            f"accuracy {view2.accuracy:.2%} ± {view2.std:.2%} (standard error {view2.standard_error:.2%}), "
            f"EER {pairs.equal_error_rate:.2%}",
            f"All pairs, {everything.genuine:,} genuine and {everything.impostor:,} impostor: "
            f"EER {everything.equal_error_rate:.2%}",
            f"{'FMR':>7}  {'threshold':>9}  {'TAR':>7}  95 % interval",
        ]
        for point in everything.points:
            rate = point.true_matches
            low, high = rate.interval
            lines.append(f"{point.fmr:>7g}  {point.threshold:>9.4f}  {rate.value:>7.2%}  {low:.2%} to {high:.2%}")
        return "\n".join(lines)


def evaluate_lfw(
    engine: Engine, photos: str | os.PathLike[str], pairs: Sequence[Pair], *, jobs: int = 1
) -> LfwAccuracy:
    """Find, align, embed and compare the faces of LFW.

    Args:
        engine: What to evaluate.
        photos: Folder with the photos, ``PERSON/PERSON_NNNN.jpg``.
        pairs: What to compare: :func:`~ghostface_edge.benchmarks.pairs.read_pairs` of LFW's ``pairs.txt``.
        jobs: Photos at once, each in a thread. With more than one, give the engine ``threads=1``.

    Raises:
        OptionError: ``jobs`` below 1.
        EvaluationError: A photo is missing, no photo shows a face, or the pairs are of one kind only.
        ImageError: A photo is damaged.
        GhostFaceError: The detector or the model failed.
    """
    named = photos_of(pairs)
    faces = enrol(engine, photos, named, jobs=jobs)
    similarities = faces.similarities(pairs)
    same = [pair.same for pair in pairs]
    scores = Scores(
        [value for value, genuine in zip(similarities, same) if genuine],
        [value for value, genuine in zip(similarities, same) if not genuine],
    )
    failed = set(faces.failures)
    return LfwAccuracy(
        model=faces.model,
        photos=len(named),
        people=len({photo.person for photo in named}),
        failures=tuple(photo.path for photo in faces.failures),
        failed_pairs=sum(pair.a in failed or pair.b in failed for pair in pairs),
        view2=cross_validate(similarities, same, [pair.fold for pair in pairs]),
        pairs=ErrorRates.of(scores),
        all_pairs=ErrorRates.of(faces.all_pairs()),
        seconds=faces.seconds,
    )
