"""How near attacks come to exact distances on tables: trees, walls, whole numbers, neighbours."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from benchmarks.attacks import truths
from benchmarks.attacks._runs import art
from benchmarks.attacks.truths import Truth
from benchmarks.common import Problem, Report
from benchmarks.loaders import DATA_VARIABLE
from specreg_sklearn.attacks import AttackResult, resolve_attack

N_ROWS = 20
NO_DATA = f"{DATA_VARIABLE} is not set: attacks on the larger tables and on MNIST are left out"
NO_BOOSTING = "xgboost or lightgbm is not installed: their models are left out"

# Share of rows within 1 %, ninth decile and largest ratio to the truth, by norm and budget.
BARS: dict[tuple[float, int], tuple[Any, Any, Any]] = {
    (2, 250): (None, None, None),
    (2, 1000): (75, 1.35, 10),
    (2, 5000): (86, 1.12, 4),
    (np.inf, 250): (None, None, None),
    (np.inf, 1000): (80, 1.4, None),
    (np.inf, 5000): (None, None, None),
    (1, 250): (None, None, None),
    (1, 1000): (78, 1.3, None),
    (1, 5000): (None, None, None),
}
ART_ROWS = 5


def has_data() -> bool:
    """Return whether the folder of larger data is named."""
    return bool(os.environ.get(DATA_VARIABLE))


def found_by(
    problem: Problem, norm: float, budget: int, attack: str = "auto", **options: Any
) -> AttackResult | None:
    """Run an attack by its name; None if there is none of that name for the norm."""
    try:
        chosen = resolve_attack(attack, norm=norm, max_queries=budget)
    except ValueError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # failed starts show as infinite distances
        options = {"space": problem.space, "pool": problem.pool, **options}
        return chosen.run(problem.model, problem.X, problem.y, **options)


def distances_of(
    problem: Problem, norm: float, budget: int, attack: str = "auto"
) -> np.ndarray | None:
    """Return the distances that an attack finds."""
    result = found_by(problem, norm, budget, attack)
    return None if result is None else result.distances


@cache
def proved(table: str, n_rows: int) -> list[tuple[Problem, dict[float, Truth]]]:
    """Return the tree problems of a table with their exact distances in L2, L1 and Linf."""
    done = []
    for problem in truths.tree_problems(table, n_rows):
        known, exact = truths.known_rows(problem), {}
        for norm in (2, 1, np.inf):
            known.append(truths.witnesses(problem, norm))
            exact[norm] = truths.prove(problem, norm, known)
            known = [*known, exact[norm].rows]  # what is near in one norm limits the next
        done.append((problem, exact))
    return done


def trees(report: Report, repeats: int) -> None:
    """Ensembles of five kinds against exact distances, in three norms."""
    tables = truths.TABLES if has_data() else ()
    for norm, budget in BARS:
        name = f"L{norm:g}"
        every, rows = [], []
        for table in tables:
            for problem, exact in proved(table, N_ROWS):
                found = distances_of(problem, norm, budget)
                if found is None:
                    continue
                ratio = _ratios(found, exact[norm])
                every.append(ratio)
                rows.append(_line(problem.name, ratio))
        if tables and not every:
            report.remark(f"tree ensembles, {name}: attack='auto' does not know this norm")
            continue
        held_out = _held_out(norm, budget, rows)
        report.table(
            f"tree ensembles: {name} at {budget} queries / exact distance",
            "attack='auto', labels only; rows whose distance is proved, in standard deviations. "
            "The last tables are held out: only one setting, how often an exchange moves a column "
            "farther, was chosen with them in sight.",
            ("problem", "rows", "within 1 %", "median", "p90", "largest"),
            rows,
        )
        if every:
            _judge(report, f"tree ensembles, {name}, {budget} queries", every, BARS[norm, budget])
        if held_out:
            title = f"the same on held-out tables, {name}, {budget} queries"
            _judge(report, title, held_out, (None, None, None))
    _against_art(report, tables)
    _on_walls(report, tables)


def _held_out(norm: float, budget: int, rows: list[tuple[str, ...]]) -> list[np.ndarray]:
    """Add the lines of held-out tables; return their ratios."""
    ratios = []
    for table in truths.HELD_OUT if has_data() else truths.HELD_OUT[1:]:
        for problem, exact in proved(table, N_ROWS):
            found = distances_of(problem, norm, budget)
            if found is not None:
                ratios.append(_ratios(found, exact[norm]))
                rows.append(_line(f"{problem.name} (held out)", ratios[-1]))
    return ratios


def _against_art(report: Report, tables: tuple[str, ...]) -> None:
    """ART's attacks on a few rows of each problem of one table, at about 1000 queries."""
    for table in tables[:1]:
        rows = []
        for problem, exact in proved(table, N_ROWS):
            few = problem.first(ART_ROWS)
            for norm in (2, np.inf):
                usable = exact[norm].proved[:ART_ROWS]
                mine = distances_of(few, norm, 1000)
                theirs = art(few, "HopSkipJump", norm=norm, max_iter=20, init_eval=10)
                assert mine is not None
                for name, found, queries in (
                    ("auto", mine, 1000.0),
                    ("ART HopSkipJump", theirs.distances, theirs.queries),
                ):
                    ratio = (found / exact[norm].exact[:ART_ROWS])[usable]
                    rows.append(
                        (f"{problem.name}, L{norm:g}: {name}", f"{queries:.0f}", *_numbers(ratio))
                    )
        report.table(
            f"{table}: attack='auto' and ART at about equal queries / exact distance",
            f"The first {ART_ROWS} rows of each problem; ART starts from the nearest row of the "
            "pool with another label.",
            ("problem and attack", "queries", "within 1 %", "median", "p90", "largest"),
            rows,
        )


def _on_walls(report: Report, tables: tuple[str, ...]) -> None:
    """Rows that lie on a threshold: some row next to them has another label."""
    near = []
    for table in tables:
        for problem, exact in proved(table, N_ROWS):
            on_wall = exact[2].exact <= truths.SMALLEST
            if on_wall.any():
                found = distances_of(problem, 2, 1000)
                near += [] if found is None else (found[on_wall] <= 10 * truths.SMALLEST).tolist()
    if near:
        report.figure(
            "tree ensembles: % of rows on a threshold found within 0.001, L2, 1000 queries",
            100 * float(np.mean(near)),
            ">=",
            100,
            detail=f"{len(near)} rows, exact distance up to {truths.SMALLEST:g}",
            form=".0f",
        )


def whole_numbers(report: Report, repeats: int) -> None:
    """Tables of whole numbers: how often the fewest steps are found."""
    for table in truths.WHOLE_TABLES if has_data() else ():
        norms = (2, 1) if "flags" in table else (1,)
        hits: dict[tuple[float, int], list[np.ndarray]] = {}
        rows = []
        for problem in truths.whole_number_problems(table, 2 * N_ROWS):
            bound = found_by(problem, 2, 250)
            assert bound is not None
            within = np.abs(bound.X_adv - problem.X).sum(axis=1).astype(float)
            fewest, sure = truths.fewest_steps(problem, np.where(bound.success, within, 20.0))
            for norm in norms:
                for budget in (1000, 3000):
                    result = found_by(problem, norm, budget)
                    if result is None:
                        continue
                    steps = np.abs(result.X_adv - problem.X).sum(axis=1)
                    extra = np.where(result.success, steps - fewest, np.inf)[sure]
                    hits.setdefault((norm, budget), []).append(extra == 0)
                    rows.append(
                        (
                            f"{problem.kind}, L{norm:g}, {budget} queries",
                            f"{len(extra)}",
                            f"{100 * np.mean(extra == 0):.0f}",
                            f"{extra.mean():.2f}",
                        )
                    )
        report.table(
            f"{table}: fewest steps",
            "The least number of steps of 1 is known: by sorting for the linear model, by integer "
            "programming for trees.",
            ("model and budget", "rows", "% minimal", "mean extra steps"),
            rows,
        )
        for (norm, budget), minimal in sorted(hits.items()):
            report.figure(
                f"{table}: % of rows with the fewest steps, L{norm:g}, {budget} queries",
                100 * float(np.concatenate(minimal).mean()),
                ">=",
                92 if budget == 1000 else 96,
                form=".1f",
            )


def walls_and_kernels(report: Report, repeats: int) -> None:
    """Binned columns, one nearest neighbour, a Gaussian kernel: L2 at 1000 and 5000 queries."""
    cases: list[tuple[str, Callable[[str, int], Problem], Callable[..., np.ndarray]]] = [
        ("bins", truths.binned_problem, _exact_of_bins),
        ("1-NN", truths.neighbour_problem, truths.nearest_cell),
        ("SVC", truths.kernel_problem, truths.nearest_by_descent),
    ]
    rows = []
    for name, make, truth in cases:
        # Bins of many columns are a knapsack that takes the solver minutes a row.
        larger = () if name == "bins" else ("url_phishing",)
        for table in ("german_credit", *larger) if has_data() else ("breast_cancer",):
            problem = make(table, N_ROWS)
            exact = truth(problem)
            usable = np.isfinite(exact) & (exact > truths.SMALLEST)
            for budget in (1000, 5000):
                found = distances_of(problem, 2, budget)
                assert found is not None
                rows.append(_line(f"{table}, {name}, {budget} queries", (found / exact)[usable]))
            few = problem.first(ART_ROWS)
            theirs = art(few, "HopSkipJump", max_iter=20, init_eval=10)
            usable = usable[:ART_ROWS]
            ratio = (theirs.distances / exact[:ART_ROWS])[usable]
            rows.append(_line(f"{table}, {name}, ART, {theirs.queries:.0f} queries", ratio))
    report.table(
        "binned columns, neighbours, kernels: L2 / exact distance",
        "Bins by integer programming, 1-NN by quadratic programs over Voronoi cells, SVC over the "
        "best of several descents on its scores, which is an upper bound itself.",
        ("problem", "rows", "within 1 %", "median", "p90", "largest"),
        rows,
    )


def relu_networks(report: Report, repeats: int) -> None:
    """ReLU networks 16-16 on tables, L2 at 1000 queries, over a white-box attack."""
    from sklearn.neural_network import MLPClassifier

    every = []
    for table in truths.TABLES if has_data() else truths.HELD_OUT[1:]:
        Xa, ya, Xb, yb, lo, hi = truths.split_of(table)
        model = MLPClassifier((16, 16), max_iter=150, random_state=0).fit(Xa, ya)
        problem = Problem.of_right_rows(table, "MLP 16-16", model, Xb, yb, lo, hi, 2 * N_ROWS)
        best, found = problem.floor, distances_of(problem, 2, 1000)
        assert best is not None and found is not None
        every.append((found / best)[best > truths.SMALLEST])
    ratio = np.concatenate(every)
    shown = f"{len(ratio)} rows; smallest {ratio.min():.3f}, largest {ratio.max():.2f}"
    for name, value, bar in (("median", 0.5, 1.015), ("p90", 0.9, 1.08)):
        report.figure(
            f"ReLU networks 16-16 on tables: CGBA / white-box floor, 1000 queries, {name}",
            float(np.quantile(ratio, value)),
            "<=",
            bar,
            detail=shown,
            form=".4f",
        )


def _exact_of_bins(problem: Problem) -> np.ndarray:
    truth = truths.prove(problem, 2, truths.known_rows(problem))
    return np.where(truth.proved, truth.exact, np.nan)


def _ratios(found: np.ndarray, truth: Truth) -> np.ndarray:
    return (found / truth.exact)[truth.proved]


def _numbers(ratio: np.ndarray) -> Iterator[str]:
    if not len(ratio):
        return iter(("", "", "", ""))
    return iter(
        (
            f"{100 * np.mean(ratio <= 1.01):.0f}",
            f"{np.median(ratio):.4f}",
            f"{np.quantile(ratio, 0.9):.3f}",
            f"{ratio.max():.2f}",
        )
    )


def _line(name: str, ratio: np.ndarray) -> tuple[str, ...]:
    return name, f"{len(ratio)}", *_numbers(ratio)


def _judge(report: Report, title: str, ratios: list[np.ndarray], bars: tuple[Any, ...]) -> None:
    ratio = np.concatenate(ratios)
    shown = f"{len(ratio)} rows with a proved distance; smallest ratio {ratio.min():.5f}"
    within = 100 * float(np.mean(ratio <= 1.01))
    report.figure(f"{title}: % within 1 %", within, ">=", bars[0], detail=shown, form=".1f")
    report.figure(
        f"{title}: p90 / exact", float(np.quantile(ratio, 0.9)), "<=", bars[1], form=".3f"
    )
    report.figure(f"{title}: largest / exact", float(ratio.max()), "<=", bars[2])
