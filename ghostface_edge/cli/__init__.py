"""The command line, ``ghostface-edge VERB ...``: parse, call the library, print.

What holds for every verb:

* Exit codes: 0 done (``verify``: match), 1 ``verify``: no match, ``doctor``: the main job cannot run, 2 an error, 130
  interrupted, 141 the reader of stdout went away.
* An error is one line on stderr. Warnings, notes and progress go to stderr, too.
* ``--json`` puts one JSON document on stdout and nothing else. It is ASCII, on one line. When the verb fails as a
  whole, stdout stays empty.
* Verbs that take several photos or models go on after one that fails: it is reported on stderr and, with ``--json``,
  stands in the document as ``"error"``; the exit code is 2 then.
* ``--threads`` is accepted everywhere, so that scripts need not know which verbs run a model.

The files here load nothing but click; numpy and the rest are imported inside the verbs, so that ``--help`` is quick.
"""

from __future__ import annotations

from .program import main

__all__ = ["main"]
