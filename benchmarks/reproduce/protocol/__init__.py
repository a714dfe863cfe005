"""One protocol for all comparisons: tasks, equal tuning, measures, and sections of results."""

from benchmarks.reproduce.protocol._comparison import (
    Comparison,
    compare,
    fit_and_measure,
    measured,
    run_jobs,
)
from benchmarks.reproduce.protocol._gradient_distance import gradient_distances
from benchmarks.reproduce.protocol._probing import ProbeTask, Rows, compare_encoders, with_probe
from benchmarks.reproduce.protocol._report import (
    comparison_section,
    gain_bars,
    gain_of,
    outcome_line,
)
from benchmarks.reproduce.protocol._section import HERE, Section, Settings, assemble
from benchmarks.reproduce.protocol._tables import markdown_table, mean_sd, seeds_table
from benchmarks.reproduce.protocol._task import (
    PLAIN,
    RECIPE,
    Candidate,
    Figures,
    Split,
    Task,
    grids,
    network,
)

__all__ = [
    "HERE",
    "PLAIN",
    "RECIPE",
    "Candidate",
    "Comparison",
    "Figures",
    "ProbeTask",
    "Rows",
    "Section",
    "Settings",
    "Split",
    "Task",
    "assemble",
    "compare",
    "compare_encoders",
    "comparison_section",
    "fit_and_measure",
    "gain_bars",
    "gain_of",
    "gradient_distances",
    "grids",
    "markdown_table",
    "mean_sd",
    "measured",
    "network",
    "outcome_line",
    "run_jobs",
    "seeds_table",
    "with_probe",
]
