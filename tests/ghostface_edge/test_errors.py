"""The tree of errors is the one that its module draws."""

from __future__ import annotations

import builtins
import inspect
import re

import pytest

from ghostface_edge import errors

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def drawn() -> dict[str, tuple[str, str | None]]:
    """Each class of the picture in the docstring: its parent, and the built-in class in brackets."""
    tree: dict[str, tuple[str, str | None]] = {}
    path: dict[int, str] = {0: "GhostFaceError"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│ ]*)[├└]── (\w+)(?: \((\w+)\))?", line)
        if found:
            depth = len(found[1]) // 4 + 1
            path[depth] = found[2]
            tree[found[2]] = (path[depth - 1], found[3])
    return tree


def test_every_class_is_drawn() -> None:
    assert set(drawn()) | {"GhostFaceError"} == set(CLASSES)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"GhostFaceError"}))
def test_parents_are_those_of_the_drawing(name: str) -> None:
    parent, builtin = drawn()[name]
    bases = CLASSES[name].__bases__
    assert bases[0] is CLASSES[parent]
    assert bases[1:] == ((getattr(builtins, builtin),) if builtin else ())


def test_everything_is_caught_by_the_root() -> None:
    assert all(issubclass(value, errors.GhostFaceError) for value in CLASSES.values())
    assert errors.GhostFaceError.__bases__ == (Exception,)


def test_every_class_says_what_it_is_for() -> None:
    assert all(value.__doc__ for value in CLASSES.values())


def test_an_error_survives_being_passed_between_processes() -> None:
    import copy

    for value in CLASSES.values():
        again = copy.copy(value("what was wrong"))
        assert type(again) is value
        assert str(again) == "what was wrong"
