"""Tables of the experiment on adversarial training as a regulariser."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reproduce.protocol import markdown_table, mean_sd, seeds_table
from benchmarks.reproduce.regularization_view._attacks import Agreement, pooled
from benchmarks.reproduce.regularization_view._measures import Figures
from benchmarks.reproduce.regularization_view._problems import Problem
from specreg_sklearn.inspection import MaskingReport

Outcome = dict[str, list[Figures]]
"""For each setting, the figures of every seed, in the order of the seeds."""


def tables(problem: Problem, outcome: Outcome) -> list[str]:
    """Return the tables of one data set, each behind the line that says what it holds."""
    linf, l2 = f"{problem.eval_linf:g}", f"{problem.eval_l2:g}"
    plain = next(iter(outcome.values()))[0]
    layers = [key.partition(", ")[2] for key in plain if key.startswith("anisotropy")]
    return [
        _table(
            f"**{problem.name}: what an attack finds, and what is proved.** Accuracy; share of "
            f"test rows that are right and withstand PGD-40 at {linf} in Linf; on "
            f"{problem.n_attacked} of the rows the same in L2 at {l2} for PGD-40, for CGBA, and "
            "proved; medians of the distances that CGBA found and of the certified radii, L2.",
            outcome,
            {
                "accuracy": ("accuracy", 3),
                "pgd linf": (f"PGD Linf {linf}", 3),
                "pgd l2": (f"PGD L2 {l2}", 3),
                "cgba": (f"CGBA L2 {l2}", 3),
                "certified": (f"certified L2 {l2}", 3),
                "median distance": ("distance", 3),
                "median radius": ("radius", 3),
            },
        ),
        _table(
            f"**{problem.name}, claims (i) and (ii): what layers do to moves of length "
            f"{problem.stretch_radius:g} (L2).** Mean stretch of each layer's output in random "
            "directions, in the worst one found, and the second over the first: the ratio would be "
            "1 if all directions were alike.",
            outcome,
            {
                f"{kind}, {layer}": (f"{_short(layer)} {word}", digits)
                for layer in layers
                for kind, word, digits in (
                    ("random stretch", "random", 2),
                    ("adversarial stretch", "worst", 2),
                    ("anisotropy", "ratio", 2),
                )
            },
        ),
        _table(
            f"**{problem.name}, claim (iii): margins of the test rows.** Logit margins of the true "
            f"class, the share of them within {problem.boundary:g} of 0, and the median distance "
            "of the features from the boundary of the readout, in units of the features' spread.",
            outcome,
            {
                "median logit margin": ("median", 3),
                "std logit margin": ("std", 3),
                "boundary mass": ("near 0", 3),
                "median feature margin": ("features", 3),
            },
        ),
        _table(
            f"**{problem.name}, claim (iv): confidence on test rows, and gaps.** Mean probability "
            "of the predicted class, mean entropy in nats; test minus training loss and error; "
            "standard deviation of the test losses over rows.",
            outcome,
            {
                "max probability": ("max p", 3),
                "entropy": ("entropy", 3),
                "loss gap": ("loss gap", 3),
                "error gap": ("error gap", 4),
                "std test loss": ("std of loss", 3),
            },
        ),
        _table(
            f"**{problem.name}: singular values of the layers,** their standard deviation, that "
            "over their mean (cv), largest and smallest; and the product of the largest ones. The "
            "standard deviation alone says little: it falls with the scale of the weights.",
            outcome,
            {
                **{
                    f"sigma {what}, {layer}": (f"{_short(layer)} {what}", 2)
                    for layer in layers
                    for what in ("std", "cv", "max", "min")
                },
                "product of sigma max": ("product", 1),
            },
        ),
        directions(problem, outcome, layers),
    ]


def directions(problem: Problem, outcome: Outcome, layers: Sequence[str]) -> str:
    """Count the seeds in which a measure is lower than without any regulariser."""
    plain, *others = outcome
    measures = [
        *(f"{kind}, {layer}" for layer in layers for kind in ("random stretch", "anisotropy")),
        "median logit margin",
        "std logit margin",
        "max probability",
        "loss gap",
        "error gap",
        "accuracy",
        *(f"sigma {what}, {layer}" for layer in layers for what in ("std", "cv")),
        "product of sigma max",
    ]
    rows = []
    for key in measures:
        falls = [
            sum(a[key] < b[key] for a, b in zip(outcome[name], outcome[plain], strict=True))
            for name in others
        ]
        rows.append(
            [
                key.replace("backbone.", "").replace("anisotropy", "worst over random stretch"),
                *(f"{fell}/{len(outcome[plain])}" for fell in falls),
            ]
        )
    return _with_words(
        f"**{problem.name}: in how many seeds a measure is lower than with {plain}** (same split, "
        "same first weights).",
        markdown_table(["measure", *others], rows),
    )


def agreements(
    problem: Problem, found: dict[str, list[Agreement]], reports: dict[str, MaskingReport]
) -> tuple[str, list[str], list[str]]:
    """Compare attacks by predictions and by gradients.

    Returns
    -------
    table : str
        One row a setting.
    unexplained : list of str
        Settings in which they differ by more than the noise, and the report on masked gradients
        does not say so: as a failure where predictions fool more rows, as a remark where they fool
        fewer.
    short : list of str
        Settings in which they fool fewer, by more than the noise.
    """
    rows: list[list[str]] = []
    unexplained, short = [], []
    for name, every in found.items():
        seeds = [seed for seed in every if seed.decided.any()]
        verdict = "passed" if reports[name].passed else "FAILED"
        if reports[name].remarks:
            verdict += ", too few queries"
        if not seeds:
            rows.append([name, *["–"] * 6, verdict, "0"])
            continue
        together = pooled(seeds)
        if together.difference < -together.noise and reports[name].passed:
            unexplained.append(name)
        if together.difference > together.noise:
            short.append(name)
            if not reports[name].remarks:
                unexplained.append(name)
        rows.append(
            [
                name,
                *(mean_sd(side) for side in zip(*(s.accuracies for s in seeds), strict=True)),
                f"{together.difference:+.3f}",
                f"{together.noise:.3f}",
                "yes" if together.holds else "no",
                f"{together.only_gradients} / {together.only_predictions}",
                verdict,
                str(len(seeds)),
            ]
        )
    header = [
        "model", "PGD-40", "CGBA", "CGBA - PGD", "2 s.e.", "agree", "fooled by PGD / CGBA only",
        "gradient_masking_report", "n",
    ]  # fmt: skip
    words = (
        f"**{problem.name}: the same rows, attacked by gradients and by predictions,** L2 at "
        f"{problem.eval_l2:g}, {problem.n_attacked} rows a seed, {problem.max_queries} queries a "
        "row. The difference and two standard errors of an accuracy are of the rows of all seeds "
        "together; the report is that of the first seed's network on as many rows. It fails where "
        "predictions are the stronger way, and remarks where their queries do not suffice."
    )
    return _with_words(words, markdown_table(header, rows)), unexplained, short


def _table(words: str, outcome: Outcome, columns: dict[str, tuple[str, int]]) -> str:
    return _with_words(words, seeds_table(outcome, columns))


def _with_words(words: str, table: str) -> str:
    return f"{words}\n\n{table}"


def _short(layer: str) -> str:
    return layer.rpartition(".")[2]
