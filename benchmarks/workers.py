"""Processes that share the work of an evaluation, and leave no trace however it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from ghostface_edge.errors import EvaluationError, GhostFaceError

Task = TypeVar("Task")
Result = TypeVar("Result")

_READY = None  # a worker's first message; the others are results, or the error that ends it all


def in_processes(
    setup: Callable[[], Callable[[Task], Result]], tasks: Iterator[Task], jobs: int
) -> Generator[tuple[Task, Result], None, None]:
    """Every task with its result, as they are done.

    The processes are spawned, not forked: a fork copies the locks that the threads of inference runtimes hold. So a
    script that comes here needs the usual ``if __name__ == "__main__":``. Each process calls ``setup`` once and what
    that returned once per task. Tasks are taken from ``tasks`` as workers become free, one in each at a time, and there
    are no more processes than tasks.

    However the loop over the results ends, the processes are ended with it. An interrupt from the keyboard reaches the
    whole group of processes; the workers ignore it, so that it is said once. When the parent dies without a word, they
    end themselves.

    Args:
        setup: Makes what does the work; can be pickled, as tasks and results can.
        tasks: What to do. ``str(task)`` names one in messages.
        jobs: Processes at once.

    Raises:
        GhostFaceError: As ``setup`` or the work raised it.
        EvaluationError: A worker died, or raised an error that is none of ours.
    """
    first = list(islice(tasks, jobs))
    tasks = chain(first, tasks)
    context = get_context("spawn")
    workers: dict[Connection, BaseProcess] = {}
    current: dict[Connection, Task] = {}
    try:
        for _ in first:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(setup, theirs), daemon=True)
            with _interrupts_held():
                process.start()
                workers[ours] = process
            theirs.close()  # else the pipe would stay open when the worker is gone
        while workers:
            for connection in cast("list[Connection]", wait(list(workers))):
                task = current.pop(connection, None)
                try:
                    message = connection.recv()
                except (EOFError, OSError) as error:
                    raise _death(workers[connection], task) from error
                if isinstance(message, GhostFaceError):
                    raise message
                if task is not None:  # else it has just started
                    yield task, message
                following = next(tasks, None)
                if following is None:
                    connection.close()  # which ends the worker
                    workers.pop(connection).join()
                else:
                    current[connection] = following
                    with suppress(BrokenPipeError):  # it died just now: its end of the pipe says so in the next round
                        connection.send(following)
    finally:
        for worker in workers.values():
            worker.kill()  # they hold nothing that would have to be put away
        for connection, worker in workers.items():
            worker.join()
            connection.close()


def _work(setup: Callable[[], Callable[[Any], Any]], connection: Connection) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work = _attempt(setup)
    with suppress(EOFError, OSError):  # the parent has no more tasks, or is gone
        connection.send(work if isinstance(work, GhostFaceError) else _READY)
        while True:
            connection.send(_attempt(work, connection.recv()))


def _attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or the error that the parent is to raise."""
    try:
        return function(*arguments)
    except GhostFaceError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells the user
        return EvaluationError(f"a worker process failed: {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold an interrupt back while a process starts, so that the new one never sees it, not even before its first line.

    The signal mask is inherited. Windows has none; there the first lines of a worker can be interrupted.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(process: BaseProcess, task: object) -> EvaluationError:
    process.join()
    code = process.exitcode or 0
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    when = "before its first task" if task is None else f"at work on {task}"
    return EvaluationError(
        f"a worker process {how} {when}. Where memory is short, use fewer jobs; what was done before is kept"
    )
