"""The least memory of a network, against every order in which it can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from ghostface_edge.benchmarks import schedule
from ghostface_edge.benchmarks.schedule import Schedule, Step, best_schedule, given_schedule
from ghostface_edge.benchmarks.workload import graph_workload
from ghostface_edge.converters.architectures import architecture


def orders(steps: Sequence[Step], there: frozenset[str]) -> Iterator[tuple[int, ...]]:
    """Every order in which the steps can run."""

    def go(done: tuple[int, ...], made: frozenset[str]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(steps):
            yield done
        for number, step in enumerate(steps):
            if number not in done and made.issuperset(step.inputs):
                yield from go((*done, number), made.union(step.outputs))

    yield from go((), there)


def memory(
    order: Sequence[int], steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], kept: Sequence[str]
) -> list[int]:
    """By definition: at each moment, every tensor from where it is made to where it is used last."""
    birth = dict.fromkeys(inputs, 0)
    death = {}
    for moment, number in enumerate(order):
        for name in steps[number].outputs:
            birth[name] = death[name] = moment
        for name in steps[number].inputs:
            assert name in birth, "it runs before its input is made"
            death[name] = moment
    for name in (*kept, *(name for name in inputs if name not in death)):
        death[name] = len(order)
    return [
        sum(size for name, size in sizes.items() if birth[name] <= moment <= death[name])
        for moment in range(len(order))
    ]


def random_network(seed: int) -> tuple[list[Step], dict[str, int], tuple[str, ...], tuple[str, ...]]:
    """Up to seven steps of one or two inputs and outputs; sizes that often tie."""
    random = np.random.default_rng(seed)
    names = ["t0", "t1"][: random.integers(1, 3)]
    inputs = tuple(names)
    steps = []
    for number in range(random.integers(2, 8)):
        taken = random.choice(names[-5:], size=min(len(names), random.integers(1, 4)), replace=False)
        made = tuple(f"s{number}{letter}" for letter in "ab"[: random.choice([1, 1, 1, 2])])
        steps.append(Step(tuple(map(str, taken)), made))
        names += made
    used = {name for step in steps for name in step.inputs}
    leaves = [name for name in names if name not in used]
    outputs = tuple({*leaves[: random.integers(1, 3)], str(random.choice(names))})
    return steps, {name: int(random.integers(0, 9)) for name in names}, inputs, outputs


@pytest.mark.parametrize("seed", range(400))
def test_no_order_needs_less(seed: int) -> None:
    steps, sizes, inputs, outputs = random_network(seed)
    best = best_schedule(steps, sizes, inputs, outputs)
    peaks = [max(memory(order, steps, sizes, inputs, outputs)) for order in orders(steps, frozenset(inputs))]
    assert (best.peak, best.proved) == (min(peaks), True)
    assert list(best.memory) == memory(best.order, steps, sizes, inputs, outputs)
    given = given_schedule(steps, sizes, inputs, outputs)
    assert list(given.memory) == memory(range(len(steps)), steps, sizes, inputs, outputs)


def test_the_search_is_needed() -> None:
    """Among the networks above are some on which neither their own order nor the greedy one is the best."""

    def fails(seed: int) -> bool:
        network = random_network(seed)
        greedy = schedule._Memory(*network)
        best = best_schedule(*network).peak
        return max(greedy.along(greedy.greedy())) > best < given_schedule(*network).peak

    assert sum(map(fails, range(400))) >= 3


def test_a_network_by_hand() -> None:
    """Two branches of a picture of 4: one shrinks it to 1 at once, the other swells to 10 on its way to 3."""
    steps = [
        Step(("picture",), ("swollen",)),
        Step(("swollen",), ("left",)),
        Step(("picture",), ("right",)),
        Step(("left", "right"), ("sum",)),
    ]
    sizes = {"picture": 4, "swollen": 10, "left": 3, "right": 1, "sum": 1}
    given = given_schedule(steps, sizes, ("picture",), ("sum",))
    assert given.memory == (14, 17, 8, 5)  # the picture waits beside the swollen tensor
    best = best_schedule(steps, sizes, ("picture",), ("sum",))
    assert best == Schedule((2, 0, 1, 3), (5, 15, 14, 5), True)


def test_a_search_that_is_given_up_is_not_called_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_MOST_LOOKS", 0)
    results = [best_schedule(*random_network(seed)) for seed in range(60)]
    given_up = [seed for seed, result in enumerate(results) if not result.proved]
    assert given_up
    for seed in given_up:
        steps, sizes, inputs, outputs = random_network(seed)
        assert list(results[seed].memory) == memory(results[seed].order, steps, sizes, inputs, outputs)


def test_a_network_of_too_many_orders() -> None:
    """Three thousand branches side by side, each of which swells and shrinks: given up soon, and never in error."""
    steps = [Step(("x",), (f"a{number}",)) for number in range(3000)]
    steps += [Step((f"a{number}",), (f"b{number}",)) for number in range(3000)]
    sizes = {name: 1 + number % 7 for number, name in enumerate(["x", *(step.outputs[0] for step in steps)])}
    outputs = [f"b{number}" for number in range(3000)]
    best = best_schedule(steps, sizes, ("x",), outputs)
    assert not best.proved
    assert list(best.memory[:50]) == memory(best.order, steps, sizes, ("x",), outputs)[:50]


@pytest.mark.parametrize("name", ["ghostfacenet-v1-0.5-2", "ghostfacenet-v2-0.5-1"])
def test_a_whole_network(name: str) -> None:
    """Its best order can run and needs what is said of it; and nothing is below the largest step."""
    work = graph_workload(architecture(name))
    steps = [Step(item.inputs, item.outputs) for item in work.operations]
    best = best_schedule(steps, work.sizes, work.inputs, work.outputs)
    assert sorted(best.order) == list(range(len(steps)))
    assert list(best.memory) == memory(best.order, steps, work.sizes, work.inputs, work.outputs)
    assert best.proved
    assert best.peak >= max(map(work.moved, work.operations))


def test_nothing_to_do() -> None:
    assert best_schedule([], {"x": 4}, ("x",), ("x",)).peak == 0
