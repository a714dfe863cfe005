"""From a comparison to its section: the table of test figures, the path of strengths, the bars."""

from __future__ import annotations

import numpy as np

from benchmarks.reproduce.protocol._comparison import Comparison
from benchmarks.reproduce.protocol._section import Section
from benchmarks.reproduce.protocol._tables import markdown_table, mean_sd, seeds_table
from benchmarks.reproduce.protocol._task import PLAIN, RECIPE, Candidate, Task

TRAINING = (
    "Strengths: {n} on a logarithmic grid for every regulariser, chosen by robust accuracy at "
    "eps {eps:g} ({attack}) on {rows} validation rows with {choices}."
)
CHOSEN_BY = {"cgba": "CGBA, 1000 queries", "gradient": "gradient"}


def columns_of(task: Task) -> dict[str, tuple[str, int]]:
    """Return the columns of the table of test figures."""
    return {
        "accuracy": ("test accuracy", 3),
        "cgba": ("CGBA", 3),
        "tangent": ("Tangent", 3),
        "gradient": ("gradient", 3),
        "nearest": ("**nearest**", 3),
        "robust_low": (f"robust at {task.eps[0]:g}", 3),
        "robust_high": (f"robust at {task.eps[1]:g}", 3),
        "certified": ("certified", 3),
        "lipschitz": ("Lipschitz", 1),
        "hidden": ("hidden", 2),
        "readout": ("readout", 2),
    }


def test_table(task: Task, outcome: Comparison) -> str:
    """Return the table of the chosen models on test rows."""
    rows = {_label(outcome.chosen[r]): seeds for r, seeds in outcome.test.items()}
    caption = (
        f"Test rows: {task.n_rows} attacked with {task.max_queries} queries each; "
        f"{_quantile_name(task)} of the distances."
    )
    return f"{caption}\n\n{seeds_table(rows, columns_of(task))}"


def _quantile_name(task: Task) -> str:
    return {0.5: "medians", 0.75: "upper quartiles"}[task.quantile]


def _label(candidate: Candidate) -> str:
    plain = candidate.strength == 0 and candidate.move is None
    return candidate.regulariser if plain else f"{candidate.regulariser}, {_setting(candidate)}"


def _setting(candidate: Candidate) -> str:
    strength = f"{candidate.strength:.2g}"
    return strength if candidate.move is None else f"{strength}, probe {candidate.move:g}"


def path_table(task: Task, outcome: Comparison) -> str:
    """Return the table of all strengths on validation rows, the chosen ones in bold."""
    chosen = set(outcome.chosen.values())
    rows = []
    for candidate, seeds in outcome.path.items():
        strength = _setting(candidate)
        cells = [
            f"**{strength}**" if candidate in chosen else strength,
            *(mean_sd(s[k] for s in seeds) for k in ("accuracy", "robust", "distance")),
        ]
        rows.append([candidate.regulariser, *cells])
    header = ["regulariser", "strength", "accuracy", f"robust at {task.eps_choice:g}", "distance"]
    caption = (
        f"All strengths, on validation rows ({CHOSEN_BY[task.chosen_by]}, {_quantile_name(task)}); "
        "the chosen ones in bold."
    )
    return f"{caption}\n\n{markdown_table(header, rows)}"


def comparison_section(
    name: str, title: str, data: str, task: Task, outcome: Comparison
) -> Section:
    """Return the section of a comparison, without bars.

    Parameters
    ----------
    name : str
        Name of the experiment.
    title : str
        The heading.
    data : str
        Data, model and training in words.
    task, outcome : Task, Comparison
        What was compared, and what came out.
    """
    choices = len(next(iter(outcome.path.values())))
    how = TRAINING.format(
        n=max(map(len, task.strengths.values())),
        eps=task.eps_choice,
        attack=CHOSEN_BY[task.chosen_by],
        rows=task.n_validation,
        choices="the first seed" if choices == 1 else f"each of {choices} seeds",
    )
    return Section(
        title,
        settings=f"{data} {how}",
        tables=[test_table(task, outcome), path_table(task, outcome)],
        cpu_seconds=outcome.cpu_seconds,
        name=name,
    )


def gain_bars(
    section: Section,
    outcome: Comparison,
    *,
    gain: float,
    points: float = 0.5,
    regularisers: tuple[str, ...] = (RECIPE,),
    label: str = "",
) -> None:
    """Add the bars of a comparison with the plain network: distance gained, accuracy kept.

    Parameters
    ----------
    section : Section
        Gets the lines.
    outcome : Comparison
        What was measured.
    gain : float
        Least gain of the median distance, in percent.
    points : float
        Largest loss of test accuracy, in points.
    regularisers : tuple of str
        The regularisers held against the bar.
    label : str
        Put before each line, such as the name of a data set.
    """
    for regulariser in regularisers:
        what = f"{label}{regulariser} against none"
        section.bar(f"{what}, nearest distance", gain_of(outcome, regulariser), ">=", gain, " %")
        lost = 100 * (outcome.mean(PLAIN, "accuracy") - outcome.mean(regulariser, "accuracy"))
        section.bar(f"{what}, points of accuracy lost", lost, "<=", points)


def gain_of(
    outcome: Comparison, regulariser: str, base: str = PLAIN, figure: str = "nearest"
) -> float:
    """Return by how many percent the mean of a figure is above that of another regulariser."""
    return 100 * (np.divide(outcome.mean(regulariser, figure), outcome.mean(base, figure)) - 1)


def outcome_line(outcome: Comparison) -> str:
    """Return a sentence that ranks the regularisers by the mean of the nearest distance."""
    ranked = sorted(outcome.test, key=lambda r: -outcome.mean(r, "nearest"))
    parts = [
        f"{r} {outcome.mean(r, 'nearest'):.3f}"
        + ("" if r == PLAIN else f" ({gain_of(outcome, r):+.0f} %)")
        for r in ranked
    ]
    return "Nearest distance, in order (against none): " + ", ".join(parts) + "."
