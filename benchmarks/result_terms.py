"""What the columns, flags and figures in a file of results mean. The report and ``docs/benchmarks.md`` say the same."""

from __future__ import annotations

from .samples import DRIFTING, LEAST, NOISY, SECONDS

FLAGS = {
    "quick": f"fewer samples than the {LEAST:,}, or less than the {SECONDS:g} s, of a full run",
    "noisy": f"rounds differ by more than {NOISY:.0%} of the median between their 10th and 90th percentile, so another "
    "run may differ as much",
    "drifting": f"the second half of the samples differs from the first by more than {DRIFTING:.0%}",
    "warming": "calls were still getting faster when the time for warming up was over",
    "throttled": "the device slowed down for heat, for its power supply, or because the container's share was used up",
    "incomplete": "the run was interrupted, and has the samples up to then",
}
"""Of a summary: why its figures deserve less trust."""

SUBJECT = (
    (
        "subject",
        "What a row is about: the model, its precision, the runtime with its version, the CPU threads of one call, and "
        "what was called. Samples of two subjects are never put together.",
    ),
)

TIMES = (
    ("samples", "Calls that were timed, after the warm-up."),
    (
        "median",
        "Half of the calls were faster. Below it, its 95 % interval: a bootstrap that draws whole rounds of calls "
        "(Künsch, Annals of Statistics 17, 1989), because calls that follow each other are not independent.",
    ),
    ("mean ± std", "Arithmetic mean and standard deviation. One slow call moves them, so compare medians."),
    ("min", "The fastest call: what the code costs where nothing disturbs it, and what users seldom see."),
    ("p90", "One call in ten was slower than this."),
    ("p99", "One call in a hundred was slower than this."),
    ("max", "The slowest call."),
    ("drift", "Median of the second half of the samples over that of the first. 1 where the device kept its speed."),
    ("flags", "; ".join(f"{name}: {text}" for name, text in FLAGS.items()) + "."),
)

FIGURES: dict[str, str] = {}
"""Other columns, by name."""

METHOD = (
    "Subjects of one run take turns in rounds of a few calls each, so that whatever slows the device down slows all of "
    "them down. Ratios between rows of one run therefore hold better than ratios between runs.",
    "Each subject is warmed up first, until its calls get no faster. Nothing of the warm-up is in the samples.",
    "Intervals cover the scatter within a run. What differs from run to run - temperature, memory layout, other "
    "programs - they do not cover: run twice before you believe a small difference.",
    "Figures of different devices, versions or settings stand side by side, and are never averaged.",
)

CAVEATS: dict[str, tuple[str, ...]] = {
    "arm": (
        "Instructions were counted on an emulator. They do not stall, miss a cache or wait for memory: fewer "
        "instructions are often, and not always, less time. No figure here is a time on a real board.",
    ),
    "macs": ("Nothing ran: these figures follow from the network alone, and are exact for it.",),
}
"""By kind of run."""
