"""Those who do the same work, timed in turns: those who can on this machine, and of the others why not."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

import cv2

from .device import Condition, Device
from .run_file import Row, Run
from .samples import LEAST, QUICK_LEAST, QUICK_SECONDS, SECONDS, Samples, Subject, interleaved

GROUPS = ("embed", "detect", "faces")
"""What is compared: embedding a crop, finding faces, and finding and embedding them. The stage of subjects."""


@dataclass(frozen=True)
class Contender:
    """Somebody who takes part.

    Attributes:
        subject: Who; its stage is the group.
        call: The work.
        figures: What is known of the result, by name: plain values for JSON.
    """

    subject: Subject
    call: Callable[[], object] = field(repr=False)
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Absent:
    """Somebody who cannot take part on this machine.

    Attributes:
        name: Who.
        group: One of :data:`GROUPS`.
        reason: What is missing, and how to get it.
    """

    name: str
    group: str
    reason: str

    @property
    def row(self) -> Row:
        """A row that says so."""
        return Row(Subject(self.name, "", "", "", 0, "", self.group), None, {"skipped": self.reason})


Peer = Union[Contender, Absent]


def compare(
    peers: Sequence[Peer],
    *,
    settings: Mapping[str, Any],
    threads: int,
    seconds: float | None = None,
    least: int | None = None,
    quick: bool = False,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[float], object] = lambda share: None,
) -> Run:
    """Time contenders, those of a group in turns, and relate them to the first of their group.

    Ctrl-C ends the run: finished rounds are kept, and a group that had none says so.

    Args:
        peers: Those who take part, and those who cannot. The first contender of a group is ours.
        settings: What was asked for, for the results.
        threads: What OpenCV may use meanwhile; the contenders have settled theirs.
        seconds: Of counted calls for each contender, as :func:`~.samples.interleaved` takes it.
        least: Samples of each contender.
        quick: Take fewer samples.
        clock: Seconds that only grow.
        progress: Is told the share that is done, 0 to 1.

    Raises:
        OptionError: A senseless number.
    """
    before = Condition.now()
    groups = {group: [peer for peer in peers if _group(peer) == group] for group in GROUPS}
    taking_part = [group for group, members in groups.items() if any(isinstance(peer, Contender) for peer in members)]
    results: dict[Subject, Samples] = {}
    complete = True
    with opencv_threads(threads):
        for number, group in enumerate(taking_part):
            if not complete:
                break
            calls = {peer.subject: peer.call for peer in groups[group] if isinstance(peer, Contender)}
            found = interleaved(
                calls,
                seconds=seconds,
                least=least,
                quick=quick,
                clock=clock,
                progress=lambda share, number=number: progress((number + share) / len(taking_part)),  # type: ignore[misc]
            )
            results.update(found)
            complete = all(samples.complete for samples in found.values())
    after = Condition.now()
    flags = ("throttled",) if after.throttled_since(before) else ()
    rows: list[Row] = []
    for members in groups.values():
        ours = next((results.get(peer.subject) for peer in members if isinstance(peer, Contender)), None)
        rows += [peer.row if isinstance(peer, Absent) else _row(peer, results, ours, flags) for peer in members]
    return Run(
        kind="peers",
        device=Device.here(),
        conditions=(before, after),
        settings={
            **settings,
            "threads": threads,
            "seconds": (QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds,
            "least": (QUICK_LEAST if quick else LEAST) if least is None else least,
            "throttled": list(after.throttled_since(before)),
        },
        rows=tuple(rows),
        complete=complete,
    )


def _group(peer: Peer) -> str:
    return peer.group if isinstance(peer, Absent) else peer.subject.stage


def _row(peer: Contender, results: Mapping[Subject, Samples], ours: Samples | None, flags: Sequence[str]) -> Row:
    samples = results.get(peer.subject)
    if samples is None or not len(samples):
        return Row(peer.subject, None, {**peer.figures, "skipped": "interrupted before its first round was whole"})
    figures = dict(peer.figures)
    # Of whole rounds, all contenders of a group have the same number.
    if ours is not None and len(ours):
        figures["ratio"] = samples.ratio(ours).to_dict()
    return Row(peer.subject, samples.summary(*flags), figures)


@contextmanager
def opencv_threads(threads: int) -> Iterator[None]:
    """Let OpenCV use so many threads meanwhile."""
    usual = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(usual)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
