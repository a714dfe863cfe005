"""Adversarial training seen as a regulariser: what it does to a network besides robustness.

After Wen, Li, Jia, "Towards understanding the regularization of adversarial robustness on neural
networks", ICML 2020. Four claims are measured over the strength of the training attack: (i) layers
stretch moves of a row less, (ii) more evenly in all directions, (iii) rows gather near the
decision boundary, (iv) networks are less sure. Weight decay, a spectral penalty and bounded
singular values are measured beside it, since they do some of the same; certified and empirical
robustness stand side by side, since they rank models differently. Nothing is asserted but that
attacks by gradients can be believed.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from tqdm import tqdm

from benchmarks.reproduce.protocol import HERE, Section, Settings
from benchmarks.reproduce.regularization_view._attacks import Agreement
from benchmarks.reproduce.regularization_view._fits import Setting, fit, masked, settings
from benchmarks.reproduce.regularization_view._measures import Figures, attacked, masking, measure
from benchmarks.reproduce.regularization_view._problems import Problem, problems
from benchmarks.reproduce.regularization_view._tables import agreements, tables
from specreg_sklearn.inspection import MaskingReport, StrengthPathDisplay


@dataclass
class Trial:
    """What came out for one setting and seed."""

    setting: str
    seed: int
    figures: Figures | None
    agreement: Agreement
    report: MaskingReport | None
    collapsed: bool
    cpu_seconds: float


def run(settings_of_run: Settings) -> Section:
    """Train and measure all networks of all data sets."""
    small = settings_of_run.small
    section = Section(
        "Adversarial training as a regulariser (arXiv:2011.07478)",
        _words(small),
        name="regularization_view",
    )
    unexplained: list[str] = []
    for problem in problems(small):
        try:
            problem.rows(problem.seeds[0])
        except FileNotFoundError as error:
            section.remarks.append(f"{problem.name} was skipped: {error}")
            continue
        trials = _trials(problem, settings_of_run.jobs)
        section.cpu_seconds += sum(trial.cpu_seconds for trial in trials)
        outcome = _by_setting(trials, "figures")
        section.tables += tables(problem, outcome)
        table, silent, short = agreements(
            problem,
            _by_setting(trials, "agreement"),
            {name: reports[0] for name, reports in _by_setting(trials, "report").items()},
        )
        section.tables.append(table)
        unexplained += [f"{problem.name}: {name}" for name in silent]
        if short:
            section.remarks.append(
                f"{problem.name}: {problem.max_queries} queries a row do not suffice for "
                f"{', '.join(short)}: CGBA fools fewer rows than PGD by more than sampling noise."
            )
        section.remarks += _remarks(problem, trials)
        if problem.name == "digits":
            section.tables.append(_figure(problem, outcome, small))
    section.bar(
        "settings in which CGBA and PGD disagree beyond sampling noise, without "
        "gradient_masking_report saying so",
        len(unexplained),
        "<=",
        0,
    )
    section.remarks += [f"Unexplained: {name}." for name in unexplained]
    return section


def _trials(problem: Problem, jobs: int) -> list[Trial]:
    tasks = [
        (setting, seed, number)
        for number, setting in enumerate([*settings(problem), *_controls(problem)])
        for seed in problem.seeds
    ]
    names = {setting.name: number for setting, _, number in tasks}
    print(f"{problem.name}: {len(names)} settings, {len(problem.seeds)} seeds", flush=True)
    stream = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(trial)(problem, setting, seed) for setting, seed, _ in tasks
    )
    found = []
    with tqdm(total=len(tasks), desc=problem.name, unit="fit") as bar:
        for done in stream:
            bar.set_postfix_str(f"{done.setting}, seed {done.seed}: trained and measured")
            bar.update()
            found.append(done)
    return sorted(found, key=lambda done: (names[done.setting], done.seed))


def _controls(problem: Problem) -> list[Setting]:
    # Rounding to eighths says something for pixels only.
    return [masked()] if problem.name == "digits" else []


def trial(problem: Problem, setting: Setting, seed: int) -> Trial:
    """Train one network and measure it; runs in a worker process."""
    torch.set_num_threads(1)
    begin = time.process_time()
    rows = problem.rows(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit(problem, setting, rows, seed)
        collapsed = any(issubclass(w.category, ConvergenceWarning) for w in caught)
        if setting.name == masked().name:  # what it rounds away has no certificate
            figures, (_, agreement) = None, attacked(model, problem, rows, seed)
        else:
            figures, agreement = measure(model, problem, rows, seed)
        report = masking(model, problem, rows, seed) if seed == problem.seeds[0] else None
    cost = time.process_time() - begin
    return Trial(setting.name, seed, figures, agreement, report, collapsed, cost)


def _by_setting(trials: list[Trial], what: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for done in trials:
        value = getattr(done, what)
        if value is not None:
            found.setdefault(done.setting, []).append(value)
    return found


def _remarks(problem: Problem, trials: list[Trial]) -> list[str]:
    lines = []
    for name, seeds in _by_setting(trials, "collapsed").items():
        if any(seeds):
            lines.append(
                f"{problem.name}, {name}: the fit warned of its convergence in {sum(seeds)} of "
                f"{len(seeds)} seeds."
            )
    for name, figures in _by_setting(trials, "figures").items():
        failed = int(sum(seed["failed attacks"] for seed in figures))
        undecided = sum("cgba" not in seed for seed in figures)
        if failed:
            lines.append(
                f"{problem.name}, {name}: CGBA had no start for {failed} of "
                f"{problem.n_attacked * len(figures)} rows, which its columns leave out; "
                f"{len(figures) - undecided} of {len(figures)} seeds are in them."
            )
    for name, reports in _by_setting(trials, "report").items():
        if not reports[0].passed:
            lines.append(f"{problem.name}, {name}:\n\n```\n{reports[0]!r}\n```")
    return lines


def _figure(problem: Problem, outcome: dict[str, list[Figures]], small: bool) -> str:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sweep = [setting for setting in settings(problem) if setting.epsilon is not None]
    drawn = {
        "accuracy": "accuracy",
        "mean confidence": "max probability",
        f"PGD-40, Linf {problem.eval_linf:g}": "pgd linf",
        f"CGBA, L2 {problem.eval_l2:g}": "cgba",
        f"certified, L2 {problem.eval_l2:g}": "certified",
    }
    scores = {
        label: np.array(
            [[seed.get(key, np.nan) for seed in outcome[setting.name]] for setting in sweep]
        )
        for label, key in drawn.items()
    }
    figure, ax = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
    StrengthPathDisplay.from_arrays(
        [setting.epsilon for setting in sweep],
        scores,
        strength_name="epsilon of the training attack (Linf, pixels in [0, 1])",
        ax=ax,
    )
    ax.set_ylim(0, 1)
    ax.set_title(f"{problem.name}: what the strength of training changes", fontsize="medium")
    name = "regularization_view.png" if small else "regularization_view_full.png"
    path = HERE / "figures" / name
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return f"![Accuracies and confidence against the strength](../../figures/{name})"


def _words(small: bool) -> str:
    lines = [
        "ReLU networks with He initialisation, Adam, learning rate 0.002 on a cosine to 0, all "
        "epochs run, no penalty and no weight decay but where named. *eps*: every batch is moved "
        "by PGD with 10 steps of 0.25 eps from a random start, in Linf; eps 0 is plain training. "
        "*weight decay*: the factor of the sum of squares of all weights. *ll_spectral*: the "
        "factor of the squared spectral norms of all layers. *SVB*: singular values of all layers "
        "held within [1 / (1 + t), 1 + t]. Tables are scaled to standard deviations of the "
        "training rows, pixels are in [0, 1]. PGD-40 climbs the logit margin in float64 from the "
        "row and from a random start. CGBA asks for predictions only. Misclassified rows are not "
        "robust, with distance and radius 0; rows for which CGBA has no start are left out of its "
        "columns, and seeds in which it has none at all. Boxes: images stay within [0, 1] under "
        "every attack but those inside gradient_masking_report; tables have none.",
    ]
    for problem in problems(small):
        train = "half of the rows" if problem.n_train is None else f"{problem.n_train} rows"
        size = "-".join(map(str, problem.hidden))
        gently = "; eps grows over the first half, but for *at once*" if problem.gently else ""
        lines.append(
            f"- {problem.name}: {train} for training, hidden layers {size}, {problem.max_iter} "
            f"epochs of batches of {problem.batch_size}{gently}; {len(problem.seeds)} seeds."
        )
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])
