"""On which CPUs a benchmark runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ghostface_edge.errors import OptionError

from .device import Cluster, Device, cpu_list

KINDS = ("big", "little")


def chosen_cpus(text: str, device: Device) -> tuple[int, ...]:
    """The CPUs that a text names.

    Args:
        text: ``big`` or ``little``, the fastest or slowest kind of CPUs; or numbers such as ``0-3,6``.
        device: This device.

    Raises:
        OptionError: It names none, or the kernel tells of one kind of CPUs only.
    """
    if text in KINDS:
        return _kind(text, device.clusters).cpus
    cpus = cpu_list(text)
    if not cpus:
        raise OptionError(f"affinity {text!r} is none of {', '.join(KINDS)}, nor a list of CPUs such as 0-3,6")
    return cpus


@contextmanager
def bound_to(cpus: tuple[int, ...] | None) -> Iterator[None]:
    """Keep this thread, and the threads and processes that it starts, on some CPUs; None for all that it may use.

    Raises:
        OptionError: The system does not allow it.
    """
    if cpus is None:
        yield
        return
    try:
        before = os.sched_getaffinity(0)
    except AttributeError as error:
        raise OptionError("this system does not let a program choose its CPUs: leave the affinity out") from error
    missing = sorted(set(cpus) - before)
    if missing:
        raise OptionError(f"CPU {missing[0]} is not among those that this process may use: {sorted(before)}")
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _kind(name: str, clusters: tuple[Cluster, ...]) -> Cluster:
    if len(clusters) < 2:
        raise OptionError(f"affinity {name!r}: the kernel does not tell of two kinds of CPUs; give their numbers")
    return clusters[0] if name == "big" else clusters[-1]
