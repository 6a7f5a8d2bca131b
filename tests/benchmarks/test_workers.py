"""Processes that share work: results, errors, deaths. What is sent to them is importable there: builtins and such."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from ghostface_edge.benchmarks.workers import in_processes
from ghostface_edge.errors import EvaluationError, OptionError
from ghostface_edge.runtime.session import thread_count


def evaluator() -> partial[partial[object]]:
    """A setup whose work is to evaluate a text."""
    return partial(partial, eval)


def test_every_task_is_done_once_by_processes_that_are_made_once() -> None:
    tasks = [f"({number}, __import__('os').getpid())" for number in range(40)]
    results = dict(in_processes(evaluator(), iter(tasks), 2))
    assert sorted(results) == sorted(tasks)
    assert [results[task][0] for task in tasks] == list(range(40))  # type: ignore[index]
    pids = {result[1] for result in results.values()}  # type: ignore[index]
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert multiprocessing.active_children() == []


def test_no_more_processes_than_tasks_and_none_without() -> None:
    assert list(in_processes(partial(os._exit, 9), iter([]), 5)) == []
    ((_, alone),) = in_processes(evaluator(), iter(["len(__import__('multiprocessing').active_children())"]), 5)
    assert alone == 0
    seen = []

    def tasks() -> Iterator[str]:
        yield "1"
        yield "2"
        seen.append(len(multiprocessing.active_children()))

    assert len(list(in_processes(evaluator(), tasks(), 5))) == 2
    assert seen == [0]  # the tasks are counted before a process starts


def test_an_error_of_ours_arrives_as_it_is() -> None:
    with pytest.raises(OptionError, match=r"^threads=0 is not a number of threads: use 1 to 256$"):
        list(in_processes(partial(partial, thread_count), iter([1, 2, 0, 3]), 2))
    with pytest.raises(OptionError, match="threads=-1"):
        list(in_processes(partial(thread_count, -1), iter([1]), 1))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("setup", "task"), [(partial(partial, int), "x"), (partial(int, "x"), "1")], ids=["at work", "at the start"]
)
def test_any_other_error_becomes_one_of_ours(setup: partial[object], task: str) -> None:
    with pytest.raises(EvaluationError, match="a worker process failed: ValueError: invalid literal for int"):
        list(in_processes(setup, iter([task]), 1))  # type: ignore[arg-type]


def test_an_error_of_the_system_is_no_end_of_the_work() -> None:
    with pytest.raises(EvaluationError, match="a worker process failed: FileNotFoundError"):
        list(in_processes(partial(partial, os.listdir), iter(["/no/such/folder"]), 1))


def test_a_worker_that_dies(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EvaluationError, match=r"a worker process was killed by signal 9 at work on 9\. .*fewer jobs"):
        list(in_processes(partial(partial, signal.raise_signal), iter([signal.SIGKILL.value]), 1))
    with pytest.raises(EvaluationError, match="a worker process ended with exit code 3 at work on 3"):
        list(in_processes(partial(partial, os._exit), iter([3]), 1))
    with pytest.raises(EvaluationError, match="a worker process ended with exit code 4 before its first task"):
        list(in_processes(partial(os._exit, 4), iter([1, 2, 3]), 2))
    assert multiprocessing.active_children() == []
    assert capfd.readouterr() == ("", "")


def test_the_processes_end_with_the_loop() -> None:
    results = in_processes(evaluator(), iter(["1", "__import__('time').sleep(600)", "2"]), 2)
    next(results)
    assert len(multiprocessing.active_children()) >= 1
    results.close()
    assert multiprocessing.active_children() == []
