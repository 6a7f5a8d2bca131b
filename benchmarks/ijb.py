"""Template verification on IJB-B and IJB-C: sets of images are compared, not images.

A template is all that is known of a person on one occasion: photos and frames of videos, together its media. Its
feature is the sum over its media of the mean embedding of each medium's images, scaled to length 1, so that a long
video weighs as much as a photo; two templates are compared by the cosine. That is ``image2template_feature`` and
``verification`` of InsightFace's ``recognition/_evaluation_/ijb/ijb_11.py``, on embeddings that are L2-normalised
first (there: ``use_norm_score = False``). Its own default takes embeddings of their own length, multiplied by the
detector's score, with those of the mirrored image added. Here the score can be asked for, the mirrored image is an
option of the engine, and the length of an embedding is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghostface_edge.errors import EvaluationError

from .ijb_lists import IjbLists, read_ijb
from .metrics import ErrorRates, Scores, error_rates

if TYPE_CHECKING:
    from .enrolment import Enrolment, Failure
    from .system import SystemInfo

__all__ = ["IjbResult", "evaluate_ijb", "read_ijb", "template_features"]

_IMAGES = 8192  # summed at a time, about: 34 MB of 512 numbers in float64
_ROWS = 256  # of the similarity matrix at a time
_NO_MATCH = -1.0  # the least similarity there is


@dataclass(frozen=True)
class IjbResult:
    """What the comparisons of templates say about a system.

    Attributes:
        name: Such as ``IJB-B``.
        system: What was evaluated.
        images: Number of images.
        templates: Number of templates.
        failures: Images that could not be enrolled; they are left out of their templates.
        failed_templates: Numbers of the templates without any image that was enrolled.
        failed_genuine: Comparisons of one person with such a template: non-matches.
        failed_impostor: Comparisons of two people with such a template: non-matches.
        detector_score: Whether images weigh as much as their detector's score.
        people: Number of people, as far as the list of pairs tells: templates that genuine comparisons connect are of
            one. None where it contradicts itself; then intervals take comparisons as independent, and are too narrow.
        rates: The errors.
        scores: What ``rates`` counts.
    """

    name: str
    system: SystemInfo
    images: int
    templates: int
    failures: tuple[Failure, ...] = field(repr=False)
    failed_templates: tuple[int, ...] = field(repr=False)
    failed_genuine: int
    failed_impostor: int
    detector_score: bool
    people: int | None
    rates: ErrorRates = field(repr=False)
    scores: Scores = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "system": self.system.to_dict(),
            "images": self.images,
            "templates": self.templates,
            "failures": [{"photo": failure.photo.path, "reason": failure.reason} for failure in self.failures],
            "failed_templates": list(self.failed_templates),
            "failed_genuine": self.failed_genuine,
            "failed_impostor": self.failed_impostor,
            "detector_score": self.detector_score,
            "people": self.people,
            "rates": self.rates.to_dict(),
        }

    def to_text(self) -> str:
        """A short report for people."""
        weighing = "weighted by the detector's score" if self.detector_score else "all of one weight"
        people = "people unknown" if self.people is None else f"{self.people:,} people"
        lines = [
            f"{self.name}, 1:1 verification of templates: {self.system.label}",
            f"{self.images:,} images, {weighing}, {len(self.failures):,} failed to enrol; {self.templates:,} "
            f"templates, {len(self.failed_templates):,} failed: non-matches in {self.failed_genuine:,} genuine and "
            f"{self.failed_impostor:,} impostor comparisons",
            f"{self.rates.genuine:,} genuine and {self.rates.impostor:,} impostor comparisons, {people}: "
            f"EER {self.rates.equal_error_rate:.2%}, AUC {self.rates.auc:.4%}",
            f"{'FAR':>7}  {'threshold':>9}  {'TAR':>7}  95 % interval",
        ]
        rows = (
            f"{point.fmr:>7g}  {point.threshold:>9.4f}  {point.true_matches.value:>7.2%}  "
            f"{point.tar_interval.low:.2%} to {point.tar_interval.high:.2%}"
            for point in self.rates.points
        )
        return "\n".join([*lines, *rows])


def evaluate_ijb(enrolment: Enrolment, lists: IjbLists, *, detector_score: bool = False) -> IjbResult:
    """Compare templates.

    Args:
        enrolment: Embeddings of ``lists.photos``, in any order.
        lists: What is compared: of :func:`~ghostface_edge.benchmarks.ijb_lists.read_ijb`.
        detector_score: Multiply each embedding by the score of the detector that found the landmarks.

    Raises:
        EvaluationError: Photos that the enrolment lacks, embeddings that are not finite, or only genuine or only
            impostor comparisons.
    """
    features, found = template_features(enrolment, lists, detector_score=detector_score)
    similarities = _similarities(features, lists.a, lists.b)
    failed = ~(found[lists.a] & found[lists.b])
    similarities[failed] = _NO_MATCH
    same, other, person = lists.same, ~lists.same, _people(lists)
    scores = Scores(
        similarities[same],
        similarities[other],
        genuine_people=None if person is None else person[lists.a[same]],
        impostor_people=None if person is None else np.stack([person[lists.a[other]], person[lists.b[other]]], axis=1),
    )
    failed_genuine = int(np.count_nonzero(failed & same))
    named = {photo.path for photo in lists.photos}
    return IjbResult(
        name=lists.name,
        system=enrolment.system,
        images=len(lists.photos),
        templates=len(lists.templates),
        failures=tuple(failure for failure in enrolment.failures if failure.photo.path in named),
        failed_templates=tuple(lists.templates[~found].tolist()),
        failed_genuine=failed_genuine,
        failed_impostor=int(np.count_nonzero(failed)) - failed_genuine,
        detector_score=detector_score,
        people=None if person is None else len(np.unique(person)),
        rates=error_rates(scores),
        scores=scores,
    )


def template_features(
    enrolment: Enrolment, lists: IjbLists, *, detector_score: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The feature of every template.

    Args:
        enrolment: As for :func:`evaluate_ijb`.
        lists: As for :func:`evaluate_ijb`.
        detector_score: As for :func:`evaluate_ijb`.

    Returns:
        (T, D) float64, of length 1, and (T,) whether the template has one: zeros where no image was enrolled, or where
        their sum is zero.

    Raises:
        EvaluationError: Photos that the enrolment lacks, or embeddings that are not finite.
    """
    if not np.isfinite(enrolment.embeddings).all():
        raise EvaluationError("the embeddings are not all finite")
    rows = {photo.path: row for row, photo in enumerate(enrolment.photos)}
    missing = [photo.path for photo in lists.photos if photo.path not in rows]
    if missing:
        raise EvaluationError(
            f"{len(missing)} of the {len(lists.photos)} images of {lists.name} were not embedded, {missing[0]!r} among "
            "them"
        )
    row = np.array([rows[photo.path] for photo in lists.photos], dtype=np.intp)[lists.image]
    weight = lists.detector_scores[lists.image].astype(np.float64) if detector_score else np.ones(len(row))
    order = np.lexsort((lists.media, lists.template))
    order = order[enrolment.enrolled[row[order]]]
    row, weight, template, media = row[order], weight[order], lists.template[order], lists.media[order]
    # A sum of means is a weighted sum: each image by one over the number of images of its medium.
    first = np.flatnonzero(np.diff(template, prepend=-1).astype(bool) | np.diff(media, prepend=-1).astype(bool))
    sizes = np.diff(first, append=len(row))
    weight /= np.repeat(sizes, sizes)
    starts = np.flatnonzero(np.diff(template, prepend=-1))
    features = np.zeros((len(lists.templates), enrolment.embeddings.shape[1]))
    begin = 0
    while begin < len(starts):
        # Whole templates, at least one.
        end = max(int(np.searchsorted(starts, starts[begin] + _IMAGES)), begin + 1)
        stop = starts[end] if end < len(starts) else len(row)
        part = slice(starts[begin], stop)
        weighted = enrolment.embeddings[row[part]] * weight[part, None]
        features[template[starts[begin:end]]] = np.add.reduceat(weighted, starts[begin:end] - starts[begin])
        begin = end
    lengths = np.linalg.norm(features, axis=1)
    found = lengths > 0
    features[found] /= lengths[found, None]
    return features, found


def _people(lists: IjbLists) -> NDArray[np.int32] | None:
    """A number for the person of each template, (T,): the least row that genuine comparisons lead to.

    In IJB-B and IJB-C each template of a probe has one genuine comparison, with its person's template in a gallery; so
    this finds everybody. None where two templates that such comparisons connect are in an impostor comparison.
    """
    person = np.arange(len(lists.templates), dtype=np.int32)
    a, b = lists.a[lists.same], lists.b[lists.same]
    while np.any(person[a] != person[b]):
        least = np.minimum(person[a], person[b])
        np.minimum.at(person, a, least)
        np.minimum.at(person, b, least)
        person = person[person]
    contradiction = np.any((person[lists.a] == person[lists.b]) & ~lists.same)
    return None if contradiction else person


def _similarities(features: NDArray[np.float64], a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
    """Cosine of each pair, (P,).

    Pairs share templates, 1,845 on one side of IJB-B's eight million: the products of some templates with all that
    they are compared with are cheaper than those of each pair.
    """
    result = np.empty(len(a))
    if len(np.unique(b)) < len(np.unique(a)):
        a, b = b, a
    order = np.argsort(a, kind="stable")
    used, starts = np.unique(a[order], return_index=True)
    for begin in range(0, len(used), _ROWS):
        block = used[begin : begin + _ROWS]
        end = begin + len(block)
        pairs = order[starts[begin] : starts[end] if end < len(used) else len(order)]
        others, column = np.unique(b[pairs], return_inverse=True)
        products = features[block] @ features[others].T
        result[pairs] = products[np.searchsorted(block, a[pairs]), column]
    return np.clip(result, -1, 1)
