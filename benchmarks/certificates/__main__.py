"""How tight certificates are, whether attacks ever get inside them, and what penalties cost.

Run with ``make bench-certificates`` or ``python -m benchmarks.certificates``. CPU seconds are
those of this process, on one thread.

Trees take longest. Several processes can share them, each with its ``--tables`` or ``--models`` and
all with one folder ``--lines``; the last one, without these two, reads the folder:
``--only trees --full --lines FOLDER --into docs/certificates_table.inc``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.certificates import _cliques as cliques
from benchmarks.certificates import _costs as costs
from benchmarks.certificates import _linear_models as linear
from benchmarks.certificates import _other_provers as provers
from benchmarks.certificates import _radii as radii
from benchmarks.certificates import _relaxations as relaxed
from benchmarks.certificates import _tightness as tight
from benchmarks.certificates import _tracking as track
from benchmarks.certificates import _trees as trees
from benchmarks.certificates._other_classifiers import other_classifiers
from benchmarks.certificates._violations import INSIDE, N_RESTARTS, Count, search_violations
from benchmarks.common import Report, arguments_of, run_sections
from benchmarks.loaders import DATA_VARIABLE
from specreg_sklearn.certificates.distances import DEFAULT_MAX_NODES

N_PAIRS = 100_000


class Extent(NamedTuple):
    """How much is measured.

    Parameters
    ----------
    full : bool
        Whether more rows, larger networks and more settings count.
    tables, models : list of str or None
        Those of the trees; None for all.
    lines : Path or None
        A folder that keeps the lines of the trees.
    """

    full: bool
    tables: list[str] | None = None
    models: list[str] | None = None
    lines: Path | None = None


def tightness(report: Report, extent: Extent) -> None:
    """Certified norm / norm - 1, layer by layer."""
    for layers, bar in ((tight.linear_layers(), 1e-7), (tight.convolutions(), 0.01)):
        rows = list(layers)
        for row in rows:
            report.figure(
                f"{row.layer}: certified / exact - 1",
                row.ratio - 1,
                "<=",
                bar,
                detail=f"{row.certified:.6f} / {row.exact:.6f}; {row.method}, {row.seconds:.2f} s",
                form=".1e",
            )
        smallest = min(row.ratio for row in rows) - 1
        report.figure(f"smallest of these {len(rows)}", smallest, ">=", 0, form=".1e")


def violations(report: Report, extent: Extent) -> None:
    """Adversarial rows nearer than the certificate: there must be none."""
    found = search_violations()
    total = sum(count.pairs for count in found.by_kind.values())
    report.figure(
        "pairs of a row and an attack",
        total,
        ">=",
        N_PAIRS,
        detail=f"{found.n_models} models, {found.seconds:.0f} s; rows with radius 0 "
        f"left out: {found.unproved}",
        form=",d",
    )
    report.figure(
        "violations: adversarial rows nearer than the certificate",
        sum(count.violations for count in found.by_kind.values()),
        "<=",
        0,
        detail="; ".join(w for count in found.by_kind.values() for w in count.where),
        form="d",
    )
    report.figure(
        "affine models: % of rows that PGD moves across at 1.001 of the radius",
        100 * found.teeth,
        ">=",
        99,
        detail="the attack would see a violation",
        form=".1f",
    )
    header = ("", "pairs", "violations", "smallest distance / radius")
    report.table(
        "Attacks against certificates",
        f"PGD searches within {INSIDE} of the radius, {N_RESTARTS} descents a row; SquareAttack "
        "within the largest radius of some ten rows with about the same; the others measure "
        "distances. Restarts do not count as pairs.",
        header,
        [_line(name, count) for name, count in found.by_attack.items()],
    )
    report.table(
        "The same, by kind of model",
        "Networks on digits and breast_cancer, pipelines in raw units, random networks on noise.",
        header,
        [_line(name, count) for name, count in found.by_kind.items()],
    )


def _line(name: str, count: Count) -> tuple[str, ...]:
    # Just above 1 on affine models, where the certificate is the distance.
    nearest = f"{count.nearest:.9f}" if np.isfinite(count.nearest) else ""
    return name, f"{count.pairs:,d}", str(count.violations), nearest


def certified_radii(report: Report, extent: Extent) -> None:
    """Several bounds on the same networks."""
    rows = list(radii.small_networks())
    if extent.full:
        rows += radii.wide_network()
    for row in rows:
        for title, ratio, bar, detail in (
            ("radius by pairs / sqrt(2) form", row.pair / row.tsuzuku, 1.02, ""),
            ("radius by ECLipsE-Fast / product, pairs", row.eclipse / row.pair, 1.1, ""),
            ("certified_radius / ECLipsE-Fast", row.certified / row.eclipse, 1 - 1e-6, ""),
            ("nearest CGBA / certified_radius", row.worst, 1.0, f"median {row.median:.2f}"),
        ):
            report.figure(f"{row.network}: {title}", ratio, ">=", bar, detail=detail, form=".3f")
    report.table(
        "Median certified radii and attack distances",
        "Test rows of a synthetic problem; CGBA with 1000 queries on 50 of them. alpha is the "
        "strength of rep_spectral.",
        ("network", "sqrt(2)", "pairs", "ECLipsE-Fast", "certified_radius", "CGBA", "accuracy"),
        [
            (
                row.network,
                *(f"{v:.3f}" for v in (row.tsuzuku, row.pair, row.eclipse, row.certified)),
                f"{row.attack:.3f}",
                f"{row.accuracy:.3f}",
            )
            for row in rows
        ],
    )


def network_relaxations(report: Report, extent: Extent) -> None:
    """Linear relaxations and branches of fully connected networks, against what attacks find."""
    n_rows = 50 if extent.full else 20
    rows = [*relaxed.table_networks(n_rows), *relaxed.image_networks(n_rows)]
    usual = relaxed.BUDGETS.index(DEFAULT_MAX_NODES)
    for row in rows:
        title = f"{row.network}: median proof / nearest found, {DEFAULT_MAX_NODES:,d} nodes"
        bar = 0.85 if row.hidden_layers == 1 else 0.7
        detail = f"constants {row.by_constants:.2f}, {row.seconds[usual]:.2f} CPU s a row"
        report.figure(title, row.medians[usual], ">=", bar, detail=detail, form=".3f")
    worst = max(row.worst for row in rows)
    report.figure("largest proof / nearest found of all", worst, "<=", 1, form=".9f")
    report.table(
        "Proofs of networks by linear relaxation",
        f"Medians of proof / nearest found over {n_rows} rows, CPU seconds a row, by max_nodes.",
        ("network", "constants", *(f"{n:,d} nodes" for n in relaxed.BUDGETS)),
        [
            (
                row.network,
                f"{row.by_constants:.3f}",
                *(f"{m:.3f}, {s:.3f} s" for m, s in zip(row.medians, row.seconds, strict=True)),
            )
            for row in rows
        ],
    )


# Shares of rows that close (Linf, L2, L1), and CPU seconds of the median row; bars of a table of
# four tables are those of their mean.
TREE_BARS = {
    "RF depth 6": ((0.85, 0.80, 0.80), 0.3),
    "RF full": ((0.85, 0.75, 0.70), 1.0),
    "ExtraTrees full": ((0.70, 0.30, 0.30), 1.5),
}
BOOSTING_BARS = ((1.0, 1.0, 1.0), 0.1)


def tree_distances(report: Report, extent: Extent) -> None:
    """Exact distances of ensembles of 100 trees: how many rows close, and at what price."""
    n_rows = 20 if extent.full else 5
    models, tables = extent.models or list(trees.models()), extent.tables or list(trees.tables())
    lines = trees.lines_of(tables, models, n_rows, extent.lines)
    for name in models:
        shares, seconds = TREE_BARS.get(name, BOOSTING_BARS)
        for norm, bar in zip(trees.NORMS, shares, strict=True):
            some = [line for line in lines if line.model == name and line.norm == norm]
            closed = float(np.mean([line.closed for line in some]))
            price = float(np.median([line.seconds for line in some]))
            title = f"{name}, L{norm:g}"
            report.figure(f"{title}: share of rows with an exact distance", closed, ">=", bar)
            report.figure(f"{title}: CPU seconds of a row", price, "<=", seconds, form=".3f")
    report.table(
        "Exact distances of ensembles of 100 trees",
        f"{n_rows} test rows a line, standardised columns bounded by the range of the data, the "
        "default number of nodes. Rows that are left open have a bracket: lower / upper is their "
        "median.",
        ("table, model, norm", "closed", "CPU s", "nodes", "lower / upper"),
        [
            (
                f"{line.data}, {line.model}, L{line.norm:g}",
                f"{line.closed:.0%}",
                f"{line.seconds:.3f}",
                f"{line.nodes:.0f}",
                "" if np.isnan(line.ratio) else f"{line.ratio:.2f}",
            )
            for line in lines
        ],
    )


def linear_distances(report: Report, extent: Extent) -> None:
    """Exact distances of logistic regressions on real tables, whole columns kept whole."""
    if not os.environ.get(DATA_VARIABLE):
        report.remark(f"{DATA_VARIABLE} is not set: linear models on larger tables are left out.")
        return
    lines = list(linear.linear_lines(100 if extent.full else 40))
    for norm in linear.NORMS:
        some = [line for line in lines if line.norm == norm]
        title = f"logistic regressions on tables, L{norm:g}"
        closed = float(np.mean([line.closed for line in some]))
        report.figure(f"{title}: share of rows with an exact distance", closed, ">=", 0.95)
        price = float(np.median([line.seconds for line in some]))
        report.figure(f"{title}: CPU seconds of a row", price, "<=", 0.02, form=".4f")
    report.table(
        "Exact distances of logistic regressions",
        f"{lines[0].n_rows} test rows a line, units by interquartile range, bounds by the data, "
        "words encoded and fixed. Last, the median distance over the exact one if whole numbers "
        "may move by fractions, which is what a formula proves.",
        ("table, norm", "whole columns", "closed", "CPU ms", "by fractions"),
        [
            (
                f"{line.data}, L{line.norm:g}",
                str(line.n_whole),
                f"{line.closed:.0%}",
                f"{1000 * line.seconds:.1f}",
                f"{line.fractions:.3f}",
            )
            for line in lines
        ],
    )


def curved_boundaries(report: Report, extent: Extent) -> None:
    """Both ends for neighbours, kernels, quadratic scores and networks."""
    other_classifiers(report, 20 if extent.full else 8)


def other_provers(report: Report, extent: Extent) -> None:
    """Solve the same rows as mixed-integer programs, and by dtai-veritas."""
    n_rows = 20 if extent.full else 4
    names = ("GB", "HistGB", "RF depth 6")
    rows = [provers.beside_programs(name, norm, n_rows) for name in names for norm in trees.NORMS]
    report.figure(
        "distances that differ from those of mixed-integer programs",
        sum(row.both - row.equal for row in rows),
        "<=",
        0,
        detail=f"of {sum(row.both for row in rows)} that both proved",
        form="d",
    )
    report.table(
        "Beside mixed-integer programs",
        f"breast_cancer; HiGHS through scipy, {provers.SECONDS:g} s a row, told the distance "
        "beforehand. The last column is its time over that of the search.",
        ("model, norm", "rows", "closed", "by HiGHS", "equal", "time ratio"),
        [
            (
                f"{row.model}, L{row.norm:g}",
                *(str(n) for n in (row.n_rows, row.closed, row.proved)),
                f"{row.equal} of {row.both}",
                f"{row.ratio:.1f}",
            )
            for row in rows
        ],
    )
    if not provers.veritas_is_there():
        report.remark("dtai-veritas is not installed, so it is not compared with.")
        return
    beside = [provers.beside_veritas(name, n_rows) for name in ("GB", "RF depth 6", "RF full")]
    report.table(
        "Beside dtai-veritas",
        "breast_cancer, Linf, no bounds; 20 steps of at most 1 s. Its lower bound over the exact "
        "distance: smallest, median and largest of the rows that close.",
        ("model", "rows", "smallest", "median", "largest", "its CPU s", "CPU s"),
        [(row.model, str(row.n_rows), *(f"{v:.3f}" for v in row[1:6])) for row in beside],
    )


def art_cliques(report: Report, extent: Extent) -> None:
    """Look inside what ART certifies of tree ensembles for rows with another label."""
    n_rows = 50 if extent.full else 20
    rows = [cliques.beside_cliques(name, n_rows) for name in ("GB", "RF depth 6", "RF full")]
    report.table(
        "Beside ART's RobustnessVerificationTreeModelsCliqueMethod",
        "breast_cancer, columns from 0 to 1, Linf; its defaults and ten steps. Certified distances "
        "with another row of the table inside them that predict labels otherwise, with such a row "
        "of the table or of the search inside them, and of 0; then the largest one over the "
        "distance of such a row: above 1, what is certified is wrong.",
        ("model", "rows", "false by table", "false", "zero", "largest ratio", "ART s", "CPU s"),
        [
            (
                row.model,
                *(str(n) for n in (row.n_rows, row.beyond_data, row.beyond_witness, row.nothing)),
                f"{row.certified:.3f} / {row.nearest:.3f} = {row.largest:.2f}",
                f"{row.seconds:.3f}",
                f"{row.own_seconds:.3f}",
            )
            for row in rows
        ],
    )


def cost(report: Report, extent: Extent) -> None:
    """CPU time of the penalty in training."""
    others = [(1, "operator"), (2, "auto"), (2, "operator")] if extent.full else []
    for threads, method in ((1, "auto"), *others):
        step = costs.step_cost(threads, method=method)
        title = "conv net 3-64-64-128, 32 x 32, batch 32: step with penalty / plain"
        promised = (threads, method) == (1, "auto")
        report.figure(
            title if promised else f"{title}, {threads} thread(s), {method}",
            step.ratio,
            "<=",
            1.2 if promised else None,
            detail=f"{step.penalised:.0f} / {step.plain:.0f} ms",
            form=".3f",
        )
    resnet = costs.resnet_cost()
    report.figure(
        "ResNet-18 shapes: FFT + eigenvalues of every block / one penalty with gradient",
        resnet.ratio,
        ">=",
        200,
        detail=f"{resnet.blocks:.1f} s / {resnet.ours * 1e3:.0f} ms",
        form=".0f",
    )


def tracking(report: Report, extent: Extent) -> None:
    """How far the estimate is from the norm, over 200 steps with the penalty on."""
    rows = [*track.track_linear(), *track.track_convolutions()]
    _tracked(report, rows, "", 5, 10)
    if extent.full:
        noisy = [*track.track_linear(noise=1.5), *track.track_convolutions(noise=1.5)]
        _tracked(report, noisy, ", noise 1.5", None, None)


def _tracked(
    report: Report,
    rows: list[track.Tracking],
    suffix: str,
    median: float | None,
    worst: float | None,
) -> None:
    for row in rows:
        title = f"{row.layer}, 200 steps{suffix}"
        report.figure(f"{title}: median gap to the exact norm, %", 100 * row.median, "<=", median)
        report.figure(
            f"{title}: worst gap, %",
            100 * row.worst,
            "<=",
            worst,
            detail=f"at step {row.worst_step}; never above the norm by more than "
            f"{max(100 * row.above, 0):.4f} %",
        )


SECTIONS = {
    "tightness": tightness,
    "violations": violations,
    "radii": certified_radii,
    "relaxations": network_relaxations,
    "trees": tree_distances,
    "linear": linear_distances,
    "curved": curved_boundaries,
    "provers": other_provers,
    "cliques": art_cliques,
    "cost": cost,
    "tracking": tracking,
}


def main() -> None:
    """Print tables, and every figure with its bar."""
    arguments = arguments_of(
        __doc__,
        SECTIONS,
        full={"action": "store_true", "help": "larger networks, more settings, too"},
        tables={"nargs": "+", "choices": list(trees.tables()), "help": "of the section trees"},
        models={"nargs": "+", "choices": list(trees.models()), "help": "of the section trees"},
        lines={"type": Path, "help": "folder of measured lines of trees: read, else written"},
    )
    report = Report("Certificates: figures and their bars", "38 14 12 8 28")
    extent = Extent(arguments.full, arguments.tables, arguments.models, arguments.lines)
    run_sections(report, SECTIONS, arguments, extent)


if __name__ == "__main__":
    main()
