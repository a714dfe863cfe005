"""What black-box attacks cost and find, next to two other libraries, in one run on one thread.

Run with ``make bench-attacks`` or ``python -m benchmarks.attacks``. CPU seconds are those of
this process; on a machine that does other work they grow, for all libraries alike.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benchmarks.attacks import _costs as costs
from benchmarks.attacks import _exact_distances as exact
from benchmarks.attacks._budgets import (
    calls_of_predict,
    forest_at_eps,
    more_budget,
    searches,
    smaller_space,
)
from benchmarks.attacks._many_columns import images, texts
from benchmarks.attacks._near_truth import (
    NO_BOOSTING,
    NO_DATA,
    has_data,
    relu_networks,
    trees,
    walls_and_kernels,
    whole_numbers,
)
from benchmarks.attacks._networks import (
    SMALL,
    against_others,
    against_the_floor,
    foolbox_runs,
    in_linf,
    networks,
)
from benchmarks.attacks._problems import other_problems
from benchmarks.attacks._runs import NO_FOOLBOX, Recorded, Run, art, foolbox, ours
from benchmarks.attacks._table import report_runs
from benchmarks.attacks._threat_models import pools, rules
from benchmarks.attacks.truths import model_kinds
from benchmarks.common import Problem, Report, arguments_of, compare, median_ratio, run_sections
from specreg_sklearn.attacks import CGBA, ARTAttack, RayS


@cache
def others() -> list[Problem]:
    return other_problems()


def engine(report: Report, repeats: int) -> None:
    """CPU seconds of a run over those of the bare predictions that it made."""
    for problem in networks():
        for budget, bar in ((SMALL, None), (5000, 1.6)):
            attack = CGBA(max_queries=budget)

            def run(model: Any, attack: Any = attack, problem: Problem = problem) -> None:
                attack.run(model, problem.X, problem.y, space=problem.space, pool=problem.pool)

            recorded = Recorded(problem.model)
            run(recorded)
            seconds = compare(
                {"run": lambda run=run, p=problem: run(p.model), "bare": recorded.replay},
                repeats=3 * repeats,
            )
            medians = {k: float(np.median(v)) * 1e3 for k, v in seconds.items()}
            n_rows = sum(map(len, recorded.calls))
            report.figure(
                f"{problem.name}: engine CPU / bare predictions, {budget} queries",
                median_ratio(seconds, "run", "bare"),
                "<=",
                bar,
                detail=f"{medians['run']:.1f} / {medians['bare']:.1f} ms; "
                f"{len(recorded.calls)} calls, {n_rows} rows",
            )


def other_models(report: Report, repeats: int) -> None:
    """L2 at the small number of queries, on models of other kinds."""
    for problem in others():
        runs = [
            art(problem, "HopSkipJump", max_iter=20, init_eval=10, group=SMALL),
            ours(problem, CGBA(max_queries=250), repeats=1),
            ours(problem, CGBA(max_queries=SMALL), repeats=repeats, group=SMALL),
            ours(problem, CGBA(max_queries=5000), repeats=1),
        ]
        settings = {"steps": 20, "initial_gradient_eval_steps": 10, "group": SMALL}
        runs += foolbox_runs(report, problem, "HopSkipJumpAttack", **settings)
        reference = problem.floor
        source = "a white-box attack"
        if reference is None:
            reference = np.min([run.distances for run in runs], axis=0)
            source = "the best of these attacks, row by row"
        note = f"{len(problem.X)} rows, {problem.X.shape[1]} features, L2. Reference: {source}."
        report_runs(report, f"{problem.name}: attacks in L2", runs, reference, note)
        report.figure(
            f"{problem.name}: CPU of ART HopSkipJump / CGBA, {SMALL} queries",
            runs[0].cpu / runs[2].cpu,
            detail=f"{runs[0].cpu:.2f} s against {runs[2].cpu * 1e3:.0f} ms; medians "
            f"{runs[0].median:.4f} and {runs[2].median:.4f}",
        )
        success = 100 * min(run.success for run in runs[1:4])
        report.figure(f"{problem.name}: success of CGBA, %", success, ">=", 100)
        _robust_accuracy(report, problem, repeats, theirs=runs[0])


def robust_accuracy(report: Report, repeats: int) -> None:
    """Robust accuracy with CGBA and with ART's HopSkipJump inside our engine, equal budgets."""
    # ART makes twelve thousand calls: too many to do it twice with the ensembles of trees.
    for problem in (*networks(), *others()[2:]):
        backend = ARTAttack("HopSkipJump", max_iter=20, init_eval=10, max_queries=SMALL)
        theirs = ours(problem, backend, repeats=0)
        _robust_accuracy(report, problem, repeats, theirs, "ART back-end")


def _robust_accuracy(
    report: Report, problem: Problem, repeats: int, theirs: Run, name: str = "ART"
) -> None:
    mine = ours(problem, CGBA(max_queries=SMALL), repeats=0).distances
    found = theirs.distances[np.isfinite(theirs.distances)]
    eps = np.quantile(found, np.linspace(0.05, 0.95, 19))
    withstood = [(d > eps[:, None]).sum(axis=1) for d in (mine, theirs.distances)]
    gap = (withstood[0] - withstood[1]) / len(mine)
    worst = int(gap.argmax())
    row = 1 / len(mine)
    report.figure(
        f"{problem.name}: robust accuracy, CGBA - {name}, {SMALL} queries, worst eps",
        float(gap.max()),
        "<=",
        row,
        detail=f"at eps {eps[worst]:.3f}; mean over 19 eps {gap.mean():+.3f}; one row is {row:g}",
        form="+.3f",
    )


def grid_search(report: Report, repeats: int) -> None:
    """12 values of alpha x 5 folds on breast_cancer, robust accuracy of 100 rows / accuracy."""
    for name, (plain, robust) in costs.searches().items():
        report.figure(
            f"grid search, 12 x 5, {name}: robust accuracy (100 rows) / accuracy",
            robust / plain,
            "<=",
            1.5,
            detail=f"{robust:.1f} s against {plain:.1f} s",
        )


def memory(report: Report, repeats: int) -> None:
    """Peak memory with many rows and features, in a process of its own."""
    before, peak = costs.peak_memory()
    report.figure(
        f"memory, {costs.MEMORY_ROWS} rows x {costs.MEMORY_FEATURES} features: growth in MB",
        peak - before,
        "<=",
        500,
        detail=f"{costs.MEMORY_QUERIES} queries; {before:.0f} MB before, {peak:.0f} MB at most",
        form=".0f",
    )


def many_rows(report: Report, repeats: int) -> None:
    """CPU seconds per row for more and more rows."""
    seconds = costs.seconds_per_row((1_000, 10_000, 100_000))
    report.figure(
        "linear cost: CPU per row, 100 000 rows / 1 000 rows",
        seconds[100_000] / seconds[1_000],
        "<=",
        1.25,
        detail=", ".join(f"{n}: {s * 1e6:.0f} us" for n, s in seconds.items()) + " a row",
    )


def exact_distances(report: Report, repeats: int) -> None:
    """Our attacks against distances that are known."""
    for data in ("digits", "breast_cancer"):
        for budget, bar in ((1000, None), (5000, 1.001), (20_000, 1.001)):
            ratio = exact.linear(data, CGBA(max_queries=budget))
            report.figure(
                f"{data}, LogisticRegression: CGBA / exact distance, {budget} queries",
                float(np.median(ratio)),
                "<=",
                bar,
                detail=f"from {ratio.min():.5f} to {ratio.max():.5f}",
                form=".5f",
            )
    for attack in (CGBA(max_queries=1000), RayS(max_queries=1000)):
        name = type(attack).__name__
        ratio = exact.single_tree(attack)
        report.figure(
            f"breast_cancer, one tree: % of rows within 1 % of the exact distance, {name}, 1000",
            100 * float((ratio <= 1.01).mean()),
            ">=",
            95,
            detail=f"ratio: smallest {ratio.min():.4f}, median {np.median(ratio):.4f}, "
            f"largest {ratio.max():.2f}",
            form=".1f",
        )
        near = exact.plane(attack)
        report.figure(
            f"2-D toys: % of rows with nothing nearer by 1 % on 360 rays, {name}, 1000",
            100 * float(np.concatenate(list(near.values())).mean()),
            ">=",
            99,
            detail=", ".join(f"{model} {100 * v.mean():.0f}" for model, v in near.items()),
            form=".1f",
        )


SECTIONS = {
    "peers": against_others,
    "floor": against_the_floor,
    "linf": in_linf,
    "engine": engine,
    "robust": robust_accuracy,
    "models": other_models,
    "search": grid_search,
    "memory": memory,
    "rows": many_rows,
    "exact": exact_distances,
    "trees": trees,
    "whole": whole_numbers,
    "walls": walls_and_kernels,
    "nets": relu_networks,
    "images": images,
    "texts": texts,
    "forest": forest_at_eps,
    "calls": calls_of_predict,
    "searches": searches,
    "budgets": more_budget,
    "spaces": smaller_space,
    "rules": rules,
    "pools": pools,
}


def main() -> None:
    """Print tables, and every figure with its bar."""
    arguments = arguments_of(__doc__, SECTIONS, repeats={"type": int, "default": 5})
    missing = [] if foolbox is not None else [NO_FOOLBOX]
    missing += [] if has_data() else [NO_DATA]
    missing += [] if len(model_kinds()) == 5 else [NO_BOOSTING]
    run_sections(Report(), SECTIONS, arguments, arguments.repeats, *missing)


if __name__ == "__main__":
    main()
