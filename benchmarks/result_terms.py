"""What the columns, flags and figures in a file of results mean. The report and ``docs/benchmarks.md`` say the same."""

from __future__ import annotations

from .samples import BUSY, DRIFTING, LEAST, NOISY, SECONDS

FLAGS = {
    "quick": f"fewer samples than the {LEAST:,}, or less than the {SECONDS:g} s, of a full run",
    "noisy": f"rounds differ by more than {100 * NOISY:g} % of the median between their 10th and 90th percentile: "
    "another run may give another median",
    "noisy-ratio": f"the interval of the ratio is wider than {100 * NOISY:g} % of it: another run may give "
    "another ratio",
    "drifting": f"the second half of the samples differs from the first by more than {100 * DRIFTING:g} %",
    "busy": f"from more than {100 * BUSY:g} % of the calls the system took a CPU away for other programs: of the "
    "times, believe the median alone",
    "warming": "calls were still getting faster when the time for warming up was over",
    "throttled": "the device slowed down for heat, for its power supply, or because the container's share was used up",
    "emulated": "no real device ran this, and these milliseconds are of none",
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

FIGURES = {
    "file": "Name of the model's file; empty where the model was built for the run.",
    "file_bytes": "Size of the model's file.",
    "random_weights": "Whether the network has random weights in place of trained ones: its cost is the same, its "
    "embeddings mean nothing.",
    "cpu_ms": "CPU time of one call, of all its threads together, milliseconds.",
    "undisturbed_p50": "Median of the calls from which the system did not take the CPU away, milliseconds.",
    "disturbed_share": "Share of the calls from which it did, to let other programs run.",
    "ratio_to_first": "Time over that of the first row, of undisturbed calls, from the rounds in which both had some, "
    "with its 95 % interval: it holds better than the ratio of the two medians, because what slowed the device down "
    "slowed both down.",
    "cold_start.starts": "New processes that were started, one after the other, with the file in the system's cache. "
    "Of what follows: the median over them, and the least and most.",
    "cold_start.import_ms": "Until NumPy, this package and the runtime were imported, milliseconds.",
    "cold_start.load_ms": "Until the model was loaded, milliseconds.",
    "cold_start.first_ms": "The first inference, milliseconds.",
    "cold_start.imported_mib": "Resident memory after the imports, in units of 2^20 bytes.",
    "cold_start.steady_mib": "The same after some dozen inferences.",
    "cold_start.peak_mib": "The most that it was.",
    "share": "Of the time of all steps.",
    "steps_ms": "The engine's steps, called one by one: median of their sum, milliseconds.",
    "added_ms": "What the engine's own call takes beyond its steps on the same picture: median, milliseconds.",
    "added_low_ms": "Lower end of its 95 % interval.",
    "added_high_ms": "Upper end.",
    "pairs": "Pictures, each seen both ways, that these figures are from.",
    "frames_per_second": "Pictures over seconds of the whole way, one picture at a time.",
    "faces": "Faces that were found; in a pipeline, how many pictures have so many faces.",
    "ratio": "Time over that of the first row of the group, in the same rounds, with its 95 % interval.",
    "cosine": "Least cosine of the embeddings to those of the first row, or of the machine that emulates: 1 where they "
    "are the same.",
    "skipped": "Why there are no figures of somebody.",
    "board": "A board with the core.",
    "instructions": "Instructions that the emulated core executed for one inference: all, and by class.",
    "instructions_by_round": "All of them, over the rounds of counting: median, least and most.",
    "identical": "Whether outputs are, bit by bit, those of the machine that emulates.",
    "relative_difference": "Largest difference between the two, over the largest output.",
    "macs": "Multiplications with an addition in convolutions, of one inference.",
    "flops": "All arithmetic of one inference, two for a multiplication with an addition.",
    "parameters": "Numbers that were trained.",
}
"""Other columns, by name, or by the first part of the name."""

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


def figure_term(name: str) -> str | None:
    """What a column means; None where this version does not know it."""
    while name and name not in FIGURES:
        name = name.rpartition(".")[0]
    return FIGURES.get(name)
