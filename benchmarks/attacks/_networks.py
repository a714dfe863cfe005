"""What the promised figures are about: attacks on two networks, next to other libraries."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from benchmarks.attacks._problems import main_problems
from benchmarks.attacks._runs import Run, art, foolbox, foolbox_run, ours
from benchmarks.attacks._table import report_runs
from benchmarks.common import Problem, Report
from specreg_sklearn.attacks import CGBA, HopSkipJump, RayS, TangentAttack

# Queries per row of ART's HopSkipJump: with max_iter=20, init_eval=10, and with its defaults.
SMALL, LARGE = 835, 24438
LADDER = (40, 50, 60, 80, 100, 125, 150, 175, 200, 250, 300, 400, 600, 835)
SEEDS = 5

# Bars of the two main problems: digits, breast_cancer.
BARS: dict[str, tuple[Any, Any]] = {
    "small": (30, 40),
    "large": (6, 8),
    "equal distance": (200, 150),
    "floor": ({250: 1.15, 1000: 1.03, 5000: 1.007}, {250: 1.05, 1000: 1.01, 5000: 1.003}),
}


@cache
def networks() -> list[Problem]:
    return main_problems()


def against_others(report: Report, repeats: int) -> None:
    """L2 on the two networks: time and distance at equal queries, time to equal distance."""
    for number, problem in enumerate(networks()):
        name = problem.name
        small = art(problem, "HopSkipJump", max_iter=20, init_eval=10, group=SMALL)
        large = art(problem, "HopSkipJump", group=LARGE)
        quick = ours(problem, CGBA(max_queries=SMALL), repeats=3 * repeats, group=SMALL)
        slow = ours(problem, CGBA(max_queries=LARGE), repeats=2, group=LARGE)
        equal = _as_near_as(problem, large.median, repeats)
        runs = [small, large, *_own(problem, repeats), quick, slow, equal, *_peers(report, problem)]
        note = (
            f"{len(problem.X)} rows, {problem.X.shape[1]} features, L2. Reference: a white-box "
            f"attack, median {np.median(problem.floor):.4f}. CPU ratio: ART's HopSkipJump at about "
            "as many queries / this attack."
        )
        report_runs(report, f"{name}: attacks in L2", runs, problem.floor, note)
        report.figure(
            f"{name}: CPU of ART HopSkipJump / CGBA, {SMALL} queries",
            small.cpu / quick.cpu,
            ">=",
            BARS["small"][number],
            detail=f"{small.cpu:.2f} s against {quick.cpu * 1e3:.1f} ms",
        )
        report.figure(
            f"{name}: the same at ART's defaults, {large.queries:.0f} queries",
            large.cpu / slow.cpu,
            ">=",
            BARS["large"][number],
            detail=f"{large.cpu:.2f} s against {slow.cpu:.2f} s",
        )
        report.figure(
            f"{name}: CPU to reach the median of ART's defaults",
            large.cpu / equal.cpu,
            ">=",
            BARS["equal distance"][number],
            detail=f"{equal.name} in {equal.cpu * 1e3:.1f} ms: {equal.median:.4f}, "
            f"ART {large.median:.4f}",
        )
        report.figure(
            f"{name}: success of CGBA, %", 100 * min(quick.success, slow.success), ">=", 100
        )


def _own(problem: Problem, repeats: int) -> list[Run]:
    """Run our other attacks in L2, at about the small number of queries."""
    attacks = (HopSkipJump(max_iter=20, init_eval=10), TangentAttack(max_queries=SMALL))
    return [ours(problem, attack, repeats=repeats, group=SMALL) for attack in attacks]


def _peers(report: Report, problem: Problem) -> list[Run]:
    runs = [art(problem, "BoundaryAttack", max_iter=25, group=SMALL)]
    for name, settings in (
        ("HopSkipJumpAttack", {"steps": 20, "initial_gradient_eval_steps": 10, "group": SMALL}),
        ("HopSkipJumpAttack", {"steps": 40, "initial_gradient_eval_steps": 25}),
        ("BoundaryAttack", {"steps": 760, "group": SMALL}),
    ):
        runs += foolbox_runs(report, problem, name, **settings)
    return runs


def foolbox_runs(report: Report, problem: Problem, name: str, **settings: Any) -> list[Run]:
    """Run an attack of foolbox, if it is there and does not give up."""
    if foolbox is None:
        return []
    found = foolbox_run(problem, name, **settings)
    if isinstance(found, Run):
        return [found]
    report.remark(f"{problem.name}: {found}")
    return []


def _as_near_as(problem: Problem, median: float, repeats: int) -> Run:
    """Return the run of CGBA with the smallest budget whose median is no larger."""
    for budget in LADDER:
        if ours(problem, CGBA(max_queries=budget), repeats=0).median <= median:
            break
    return ours(problem, CGBA(max_queries=budget), repeats=3 * repeats, group=LARGE)


def against_the_floor(report: Report, repeats: int) -> None:
    """CGBA's distance over that of a white-box attack, at three budgets."""
    for number, problem in enumerate(networks()):
        assert problem.floor is not None
        for budget, bar in BARS["floor"][number].items():
            runs = [
                ours(problem, CGBA(max_queries=budget, random_state=seed), repeats=0)
                for seed in range(SEEDS)
            ]
            ratios = [run.over(problem.floor) for run in runs]
            medians = [run.median_over(problem.floor) for run in runs]
            report.figure(
                f"{problem.name}: CGBA / white-box floor, {budget} queries",
                float(np.mean(ratios)),
                "<=",
                bar,
                detail=f"{_range(ratios)} over {SEEDS} seeds; ratio of medians "
                f"{np.mean(medians):.4f} ({_range(medians)})",
                form=".4f",
            )


def in_linf(report: Report, repeats: int) -> None:
    """RayS with 1000 queries against ART's HopSkipJump with 4800."""
    for problem in networks():
        title = f"{problem.name}: Linf, RayS at 1000 / ART HopSkipJump at 4800"
        settings: dict[str, Any] = {"norm": np.inf, "max_iter": 40, "init_eval": 25}
        runs = [
            ours(problem, RayS(max_queries=1000), repeats=repeats, group=1),
            art(problem, "HopSkipJump", group=1, **settings),
            art(problem, "HopSkipJump", own_starts=True, group=2, **settings),
            ours(problem, HopSkipJump(**settings), repeats=repeats, group=1),
        ]
        best = np.min([run.distances for run in runs], axis=0)
        note = "Reference: the best of these attacks, row by row."
        report_runs(report, f"{problem.name}: attacks in Linf", runs, best, note)
        for other, starts in ((runs[1], "equal starts"), (runs[2], "ART's own starts")):
            found = np.isfinite(other.distances)
            mine = float(np.median(runs[0].distances[found]))
            report.figure(
                f"{title}, {starts}",
                mine / other.median,
                "<=",
                1,
                detail=f"median {mine:.4f} against {other.median:.4f} on the "
                f"{found.sum()} rows where ART succeeds",
                form=".3f",
            )
        report.figure(f"{problem.name}: success of RayS, %", 100 * runs[0].success, ">=", 100)


def _range(values: list[float]) -> str:
    return f"{min(values):.4f} to {max(values):.4f}"
