"""What benchmarks share: timing, a command that reports figures, problems and distances."""

from benchmarks.common._boundary import foot_in_box, to_boundary
from benchmarks.common._command import arguments_of, run_sections
from benchmarks.common._descent import nearest_by_gradients
from benchmarks.common._problem import Problem
from benchmarks.common._report import Report
from benchmarks.common._scores import Scores, scores_of
from benchmarks.common._timing import compare, cpu_seconds, median_ratio
from benchmarks.common._white_box import floor, layers_of

__all__ = [
    "Problem",
    "Report",
    "Scores",
    "arguments_of",
    "compare",
    "cpu_seconds",
    "floor",
    "foot_in_box",
    "layers_of",
    "median_ratio",
    "nearest_by_gradients",
    "run_sections",
    "scores_of",
    "to_boundary",
]
