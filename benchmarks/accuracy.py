"""Evaluations: one or several systems on a protocol, each by itself and beside the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.engine import DEFAULT_FMR, FaceEngine
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.notices import without_notices

from .comparison import Answers, Comparison, compare
from .curve import Curve
from .embedding_cache import EmbeddingCache
from .enrolment import Enrolment, enrol
from .evaluation import Evaluation
from .identification import identify
from .ijb import evaluate_ijb
from .ijb_lists import IjbLists
from .metrics import ErrorRates, Scores, cross_validate, error_rates
from .pairs import Pairs
from .photos import Photo, PhotoSource
from .results import Results
from .system import System
from .uncertainty import accuracy_interval
from .worst import worst_of_all, worst_of_pairs


@dataclass(frozen=True)
class Evaluator:
    """Puts systems through a protocol.

    Attributes:
        systems: What to evaluate; the first is the baseline that the others are compared with. A ready engine can stand
            for a system where ``jobs`` is 1 and there is no cache.
        source: Where the photos' bytes come from.
        cache: Embeddings of earlier runs.
        jobs: Worker processes.
        worst: How many of the worst errors of each kind to name.
    """

    systems: Sequence[System | FaceEngine]
    source: PhotoSource
    cache: EmbeddingCache | None = None
    jobs: int = 1
    worst: int = 0

    def __post_init__(self) -> None:
        if not self.systems:
            raise OptionError("there is no system to evaluate: name one or more")

    def pairs(self, pairs: Pairs, *, all_pairs: bool = True) -> Results:
        """Verification on a list of pairs.

        Args:
            pairs: What to compare.
            all_pairs: Count errors over every comparison among the photos too, where it is known who is on them:
                far more comparisons than the list has, and so the steadier figures.

        Raises:
            EvaluationError: A photo is missing, no photo shows a face, or the pairs are of one kind only.
            ImageError: A photo is damaged.
            GhostFaceError: A detector or a model failed.
        """

        def judge(faces: Enrolment) -> tuple[Evaluation, Answers]:
            similarities = faces.similarities(pairs.a, pairs.b)
            scores = _scores(similarities, pairs)
            folds = None if pairs.fold is None else cross_validate(similarities, pairs.same, pairs.fold)
            everything = faces.all_pairs() if all_pairs and pairs.person is not None else None
            rates = error_rates(scores)
            all_rates = None if everything is None else error_rates(everything)
            limit = _threshold(rates if all_rates is None else all_rates) if self.worst else math.nan
            evaluation = self._evaluation(
                pairs.name,
                faces,
                failed_pairs=int(np.sum(~(faces.enrolled[pairs.a] & faces.enrolled[pairs.b]))),
                accuracy=folds,
                accuracy_interval=None if folds is None else accuracy_interval(folds.right, pairs),
                pairs=rates,
                pair_curve=Curve.of(scores),
                all_pairs=all_rates,
                all_curve=None if everything is None else Curve.of(everything),
                worst=worst_of_pairs(similarities, pairs, faces.enrolled, limit, self.worst),
            )
            return evaluation, Answers(folds, scores if everything is None else everything, faces)

        return self._run(pairs.photos, judge, pairs)

    def people(self, photos: Sequence[Photo], name: str) -> Results:
        """Verification of every photo against every other.

        Args:
            photos: What to compare, each with its person.
            name: What reports call the protocol.

        Raises:
            GhostFaceError: As :meth:`pairs`.
        """

        def judge(faces: Enrolment) -> tuple[Evaluation, Answers]:
            scores = faces.all_pairs()
            rates = error_rates(scores)
            limit = _threshold(rates) if self.worst else math.nan
            evaluation = self._evaluation(
                name,
                faces,
                all_pairs=rates,
                all_curve=Curve.of(scores),
                worst=worst_of_all(faces, limit, self.worst),
            )
            return evaluation, Answers(None, scores, faces)

        return self._run(photos, judge)

    def identification(self, photos: Sequence[Photo], name: str, *, seed: int = 0, repeats: int = 10) -> Results:
        """Identification of every photo among the enrolled people: closed set and open set.

        Args:
            photos: Of all people, each with its person.
            name: What reports call the protocol.
            seed: Decides who is enrolled with which photo.
            repeats: How many times that is drawn anew.

        Raises:
            GhostFaceError: As :meth:`pairs`.
        """

        def judge(faces: Enrolment) -> tuple[Evaluation, None]:
            found = identify(faces, seed=seed, repeats=repeats)
            return self._evaluation(name, faces, identification=found), None

        return self._run(photos, judge)

    def templates(self, lists: IjbLists, *, detector_score: bool = False) -> Results:
        """Verification of templates, each of one or more photos, as IJB-B and IJB-C define it.

        Args:
            lists: What is compared.
            detector_score: Weigh each photo with the confidence of the detector that found its landmarks.

        Raises:
            GhostFaceError: As :meth:`pairs`.
        """

        def judge(faces: Enrolment) -> tuple[Evaluation, Answers]:
            found = evaluate_ijb(faces, lists, detector_score=detector_score)
            evaluation = self._evaluation(
                f"{lists.name} 1:1, {found.templates:,} templates{', weighted by detector score' * detector_score}",
                faces,
                failed_pairs=found.failed_genuine + found.failed_impostor,
                failed_templates=len(found.failed_templates),
                pairs=found.rates,
                pair_curve=Curve.of(found.scores),
            )
            return evaluation, Answers(None, found.scores, faces)

        return self._run(lists.photos, judge)

    def _run(
        self,
        photos: Sequence[Photo],
        judge: Callable[[Enrolment], tuple[Evaluation, Answers | None]],
        pairs: Pairs | None = None,
    ) -> Results:
        self.source.check(photos)
        self._check_systems(photos)
        evaluations: list[Evaluation] = []
        comparisons: list[Comparison] = []
        baseline: Answers | None = None
        for system in self.systems:
            faces = enrol(system, self.source, photos, cache=self.cache, jobs=self.jobs)
            if isinstance(system, System):
                faces = replace(faces, system=faces.system.asked(system))
            evaluation, answers = judge(faces)
            evaluations.append(evaluation)
            if baseline is None:
                baseline = answers  # the only scores that are kept: those of LFW's photos take a gigabyte
            elif answers is not None:
                comparisons.append(compare(baseline, answers, pairs))
        return Results(tuple(evaluations), tuple(comparisons))

    def _check_systems(self, photos: Sequence[Photo]) -> None:
        """Make each engine once, so that what is wrong with one is said before the work for others."""
        if len(self.systems) < 2 or self.source.aligned or all(photo.landmarks for photo in photos):
            return  # without faces to find, a system's detector need not be on this machine
        with without_notices():
            for system in self.systems:
                if isinstance(system, System):
                    system.engine(threads=1)

    def _evaluation(self, protocol: str, faces: Enrolment, **found: Any) -> Evaluation:
        people = {photo.person for photo in faces.photos}
        return Evaluation(
            protocol=protocol,
            dataset=self.source.name,
            system=faces.system,
            photos=len(faces.photos),
            people=None if "" in people else len(people),
            failures=faces.failures,
            seconds=faces.seconds,
            computed=faces.computed,
            **found,
        )


def _scores(similarities: NDArray[np.float64], pairs: Pairs) -> Scores:
    same, person = pairs.same, pairs.person
    if person is None:
        return Scores(similarities[same], similarities[~same])
    a, b = person[pairs.a], person[pairs.b]
    return Scores(
        similarities[same],
        similarities[~same],
        genuine_people=a[same],
        impostor_people=np.stack([a[~same], b[~same]], axis=1),
    )


def _threshold(rates: ErrorRates) -> float:
    """Where an error counts as one for the list of the worst: at the usual FMR, or the least that is supported."""
    points = [point for point in rates.points if point.fmr >= DEFAULT_FMR]
    if not points:
        raise EvaluationError(
            f"{rates.impostor} comparisons of different people are too few to say at which threshold one is an error"
        )
    return points[-1].threshold
