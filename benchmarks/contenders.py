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

from ghostface_edge.errors import OptionError

from .device import Condition, Device
from .run_file import Row, Run
from .samples import LEAST, QUICK_LEAST, QUICK_SECONDS, SECONDS, Samples, Subject, interleaved

GROUPS = ("embed", "detect", "faces", "main")
"""What is compared: embedding a crop, finding faces, finding and embedding them, and that for the main face alone. The
stage of subjects."""


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


@dataclass(frozen=True)
class Contest:
    """Those who were asked for.

    Attributes:
        peers: Who takes part, and who cannot. The first contender of a group is ours.
        threads: What OpenCV may use meanwhile; the contenders have settled theirs.
        settings: What was asked for, for the results.
    """

    peers: tuple[Peer, ...]
    threads: int
    settings: Mapping[str, Any]

    def measure(
        self,
        *,
        seconds: float | None = None,
        least: int | None = None,
        quick: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        progress: Callable[[float], object] = lambda share: None,
    ) -> Run:
        """Time the contenders, those of a group in turns, and relate them to the first of their group.

        Ctrl-C ends the run: finished rounds are kept, and who had none says so.

        Args:
            seconds: Of counted calls for each contender, as :func:`~.samples.interleaved` takes it.
            least: Samples of each contender.
            quick: Take fewer samples.
            clock: Seconds that only grow.
            progress: Is told the share that is done, 0 to 1.

        Raises:
            OptionError: A senseless number, or nobody takes part.
            KeyboardInterrupt: Ctrl-C before there was any sample.
        """
        seconds = (QUICK_SECONDS if quick else SECONDS) if seconds is None else seconds
        least = (QUICK_LEAST if quick else LEAST) if least is None else least
        groups = {group: [peer for peer in self.peers if _group(peer) == group] for group in GROUPS}
        calls = {
            group: {peer.subject: peer.call for peer in members if isinstance(peer, Contender)}
            for group, members in groups.items()
        }
        calls = {group: found for group, found in calls.items() if found}
        if not calls:
            raise OptionError(f"nobody can take part: {'; '.join(_reasons(self.peers))}")
        device, before = Device.here(), Condition.now()
        results: dict[Subject, Samples] = {}
        with opencv_threads(self.threads):
            for number, group in enumerate(calls):
                if not all(samples.complete for samples in results.values()):
                    break
                results.update(
                    interleaved(
                        calls[group],
                        seconds=seconds,
                        least=least,
                        clock=clock,
                        progress=lambda share, number=number: progress((number + share) / len(calls)),  # type: ignore[misc]
                    )
                )
        after = Condition.now()
        if not any(map(len, results.values())):
            raise KeyboardInterrupt
        throttled = after.throttled_since(before)
        flags = [*(["throttled"] if throttled else []), *(["emulated"] if device.emulated else [])]
        rows: list[Row] = []
        for members in groups.values():
            first = next((results.get(peer.subject) for peer in members if isinstance(peer, Contender)), None)
            rows += [peer.row if isinstance(peer, Absent) else _row(peer, results, first, flags) for peer in members]
        return Run(
            kind="peers",
            device=device,
            conditions=(before, after),
            settings={
                **self.settings,
                "quick": quick,
                "threads": self.threads,
                "seconds": seconds,
                "least": least,
                "throttled": list(throttled),
            },
            rows=tuple(rows),
            complete=all(samples.complete for samples in results.values()),
        )


def _reasons(peers: Sequence[Peer]) -> list[str]:
    return [f"{peer.name}: {peer.reason}" for peer in peers if isinstance(peer, Absent)]


def _group(peer: Peer) -> str:
    return peer.group if isinstance(peer, Absent) else peer.subject.stage


def _row(peer: Contender, results: Mapping[Subject, Samples], first: Samples | None, flags: Sequence[str]) -> Row:
    samples = results.get(peer.subject)
    if samples is None or first is None or not len(samples):
        return Row(peer.subject, None, {**peer.figures, "skipped": "interrupted before its first round was whole"})
    ratio = None if samples is first else samples.ratio(first).to_dict()
    cpu = samples.cpu_seconds
    figures = {
        **peer.figures,
        "cpu_ms": None if cpu is None else 1e3 * cpu,
        **undisturbed(samples),
        "ratio": ratio,
    }
    return Row(peer.subject, samples.summary(*flags), figures)


def undisturbed(samples: Samples) -> dict[str, float | None]:
    """Median of the calls that other programs left alone, milliseconds, and the others' share: figures of a row."""
    left = samples.undisturbed_seconds
    return {
        "undisturbed_p50": None if left is None else 1e3 * left,
        "disturbed_share": float(samples.disturbed.mean()),
    }


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
