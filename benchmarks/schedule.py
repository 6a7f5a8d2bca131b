"""The least memory in which a network can run: the best order of its operations.

While an operation runs, all that it takes and all that it makes is in memory, and so is every other tensor that is
still to be used; an operation never writes over its own inputs. What is nobody's input any more is free at once. The
peak of an order is the most bytes that are in use at one time; memory is assumed to be used without gaps, which a real
allocator does not always reach.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

_MOST_LOOKS = 200_000
"""How many times a step is weighed before the search is given up; GhostFaceNets take 5,500 at most."""


class _GivenUpError(Exception):
    """There are too many orders to look at."""


@dataclass(frozen=True)
class Step:
    """An operation, as far as memory is concerned.

    Attributes:
        inputs: Names of tensors that it takes.
        outputs: Names of tensors that it makes.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Schedule:
    """An order of operations.

    Attributes:
        order: Numbers of the steps.
        memory: Bytes in use while each of them runs, in this order.
        proved: Whether it is known that no order has a lower peak.
    """

    order: tuple[int, ...]
    memory: tuple[int, ...]
    proved: bool

    @property
    def peak(self) -> int:
        """The most bytes in use at one time."""
        return max(self.memory, default=0)


def best_schedule(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
) -> Schedule:
    """The order with the lowest peak.

    First the given order is tried, and a greedy one. No order is below what the largest single step needs; where one of
    the two reaches that, it is the best. Else the search goes through sets of finished steps, the one with
    the lowest peak so far first (Dijkstra's algorithm with the maximum in place of the sum). A step that fits below the
    peak so far and leaves no more in memory than before is taken at once: it can only help whatever comes later.

    Args:
        steps: In an order in which they can run.
        sizes: Bytes of every tensor.
        inputs: Tensors that are there from the start, until their last use.
        outputs: Tensors that stay to the end.
    """
    found = given_schedule(steps, sizes, inputs, outputs)
    memory = _Memory(steps, sizes, inputs, outputs)
    bound = max((memory.needed(step) for step in range(len(steps))), default=0)
    try:
        for look in (memory.greedy, memory.search):
            if found.peak > bound:
                order = look()
                found = min(found, Schedule(order, memory.along(order), False), key=lambda schedule: schedule.peak)
    except _GivenUpError:
        return found
    return replace(found, proved=True)


def given_schedule(
    steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
) -> Schedule:
    """The steps in their own order; takes what :func:`best_schedule` takes. Its peak may not be the lowest."""
    order = tuple(range(len(steps)))
    return Schedule(order, _Memory(steps, sizes, inputs, outputs).along(order), False)


@dataclass(frozen=True)
class _State:
    """Some steps are done.

    Attributes:
        done: One bit for each step.
        live: Bytes in memory.
        ready: The steps that can run now.
    """

    done: int
    live: int
    ready: frozenset[int]


class _Memory:
    """The bytes in use, whatever the order."""

    def __init__(
        self, steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        self._steps = steps
        self._sizes = sizes
        self._all = (1 << len(steps)) - 1
        self._kept = frozenset(outputs)
        self._users: dict[str, int] = dict.fromkeys(sizes, 0)
        makers: dict[str, int] = {}
        for number, step in enumerate(steps):
            for name in step.inputs:
                self._users[name] |= 1 << number
            makers.update(dict.fromkeys(step.outputs, number))
        self._before = [
            sum(1 << maker for maker in {makers[name] for name in step.inputs if name in makers}) for step in steps
        ]
        self._after: list[set[int]] = [set() for _ in steps]
        for number, step in enumerate(steps):
            for name in step.inputs:
                if name in makers:
                    self._after[makers[name]].add(number)
        ready = frozenset(number for number, before in enumerate(self._before) if not before)
        self._looks = 0
        self._start = _State(0, sum(sizes[name] for name in set(inputs)), ready)

    def needed(self, number: int) -> int:
        """Bytes that a step takes and makes."""
        step = self._steps[number]
        return sum(self._sizes[name] for name in {*step.inputs, *step.outputs})

    def during(self, state: _State, number: int) -> int:
        """Bytes in use while a step runs."""
        self._looks += 1
        if self._looks > max(_MOST_LOOKS, 2 * len(self._steps)):
            raise _GivenUpError
        return state.live + sum(self._sizes[name] for name in self._steps[number].outputs)

    def after(self, state: _State, number: int) -> _State:
        """What is done and in memory after a step."""
        step, done = self._steps[number], state.done | 1 << number
        gone = (name for name in {*step.inputs, *step.outputs} if name not in self._kept)
        freed = sum(self._sizes[name] for name in gone if not self._users[name] & ~done)
        new = {other for other in self._after[number] if not self._before[other] & ~done}
        return _State(done, self.during(state, number) - freed, state.ready - {number} | new)

    def along(self, order: Sequence[int]) -> tuple[int, ...]:
        """Bytes in use while each step of an order runs."""
        state, memory = self._start, []
        for number in order:
            memory.append(self.during(state, number))
            state = self.after(state, number)
        return tuple(memory)

    def greedy(self) -> tuple[int, ...]:
        """Always the step that leaves least in memory; of equal ones, the one that needs least."""
        state, order = self._start, []
        while state.ready:
            number = min(state.ready, key=lambda step: (self.after(state, step).live, self.during(state, step), step))
            state = self.after(state, number)
            order.append(number)
        return tuple(order)

    def search(self) -> tuple[int, ...]:
        """An order of the lowest peak."""
        paths: dict[int, tuple[int, tuple[int, ...]]] = {}  # what was done before, and the steps since
        count = 0
        heap: list[tuple[int, int, int, _State, int, tuple[int, ...]]] = [(self._start.live, 0, 0, self._start, 0, ())]
        while True:
            peak, _, _, state, previous, taken = heapq.heappop(heap)
            if state.done in paths:
                continue
            paths[state.done] = (previous, taken)
            if state.done == self._all:
                return tuple(reversed(list(_steps_back(paths, state.done))))
            for number in state.ready:
                higher = max(peak, self.during(state, number))
                then, steps = self._without_cost(self.after(state, number), higher)
                if then.done not in paths:
                    count += 1
                    finished = bin(then.done).count("1")
                    heapq.heappush(heap, (higher, -finished, count, then, state.done, (number, *steps)))

    def _without_cost(self, state: _State, peak: int) -> tuple[_State, tuple[int, ...]]:
        """Take every step that does not raise the peak and leaves no more in memory."""
        steps: list[int] = []
        while True:
            for number in sorted(state.ready):
                if self.during(state, number) <= peak:
                    then = self.after(state, number)
                    if then.live <= state.live:
                        steps.append(number)
                        state = then
                        break
            else:
                return state, tuple(steps)


def _steps_back(paths: Mapping[int, tuple[int, tuple[int, ...]]], done: int) -> Iterator[int]:
    while done:
        done, steps = paths[done]
        yield from reversed(steps)
