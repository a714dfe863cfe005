"""Print a hash for each of some eighty results, to compare two commits: same seeds, same bits.

Run from the root of a checkout::

    python tools/fingerprints.py > before.txt
    python tools/fingerprints.py --against before.txt    # exit code 1 and the lines that differ

Only public names are used, so that the same script runs before and after a change of the inside.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from specreg_sklearn import (
    RobustLinearProbe,
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    inspection,
    make_robust_scorer,
)
from specreg_sklearn.attacks import (
    CGBA,
    ARTAttack,
    FeatureSpace,
    HopSkipJump,
    RayS,
    SquareAttack,
    TangentAttack,
)
from specreg_sklearn.datasets import make_noisy_xor, make_sin_boundary
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_accuracy_score,
    certified_radius,
    lipschitz_bound,
    robust_accuracy_score,
)
from specreg_sklearn.modules import ConvNet
from specreg_sklearn.spectral import certified_norm, spectral_norm

Results = Iterator[tuple[object, ...]]
"""A name, and what is hashed under it."""

SETTINGS = {"hidden_layer_sizes": (16, 8), "max_iter": 12, "random_state": 0}


def digest(*things: object) -> str:
    """Return a short hash of arrays, frames and numbers, types and shapes included."""
    whole = hashlib.sha256()
    for thing in things:
        if hasattr(thing, "items") and not isinstance(thing, pd.DataFrame):
            thing = dict(thing.items())
        if hasattr(thing, "__dataclass_fields__"):
            thing = vars(thing)
        if isinstance(thing, dict):
            thing = tuple(thing.values())
        if isinstance(thing, tuple):
            whole.update(digest(*thing).encode())
        elif isinstance(thing, pd.DataFrame):
            whole.update(thing.to_csv().encode())
        else:
            array = thing.detach().numpy() if isinstance(thing, torch.Tensor) else np.asarray(thing)
            whole.update(f"{array.dtype.str} {array.shape}".encode())
            text = array.dtype.kind in "OU"
            whole.update(repr(array.tolist()).encode() if text else array.tobytes())
    return whole.hexdigest()[:16]


@cache
def data() -> SimpleNamespace:
    """Return the rows and labels that everything is fitted on, each under its name."""
    iris, iris_y = load_iris(return_X_y=True)
    cancer, cancer_y = load_breast_cancer(return_X_y=True)
    digits, digits_y = load_digits(return_X_y=True)
    wine, wine_y = load_wine(return_X_y=True)
    frame = pd.DataFrame(wine[:, :4], columns=list("abcd"))
    frame["whole"] = np.round(wine[:, 4]).astype(int)
    return SimpleNamespace(
        iris=iris,
        iris_y=iris_y,
        cancer=StandardScaler().fit_transform(cancer),
        cancer_y=cancer_y,
        digits=(digits[:400] / 16).astype(np.float32),
        digits_y=digits_y[:400],
        wine=wine,
        wine_y=wine_y,
        numbers=frame.to_numpy(dtype=float),
        frame=frame.assign(text=np.where(wine[:, 5] > 2, "high", "low")),
    )


@cache
def models() -> SimpleNamespace:
    """Return the fitted models that are attacked, certified and looked into."""
    d = data()
    mlp = make_pipeline(StandardScaler(), MLPClassifier((8, 8), max_iter=60, random_state=0))
    return SimpleNamespace(
        encoder=SpectrallyRegularizedEncoder(**SETTINGS).fit(d.cancer, d.cancer_y),
        conv=SpectrallyRegularizedEncoder(
            module=ConvNet(), max_iter=2, random_state=0, input_shape=(1, 8, 8)
        ).fit(d.digits, d.digits_y),
        forest=RandomForestClassifier(10, random_state=0).fit(d.cancer, d.cancer_y),
        linear=LogisticRegression(max_iter=2000).fit(d.iris, d.iris_y),
        kernel=SVC().fit(d.wine, d.wine_y),
        mlp=mlp.fit(d.wine, d.wine_y),
        chain=make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
            d.numbers, d.wine_y
        ),
    )


class Numbers:
    """Reads the numeric columns of a frame."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        """Return the labels of the numeric columns."""
        return self.model.predict(X.iloc[:, :5].to_numpy(dtype=float))


def weights(model):
    """Return all the parameters of a fitted encoder."""
    return list(model.module_.parameters())


def outcome(attack, model, X, y, **options):
    """Run an attack and return its arrays."""
    r = attack.run(model, X, y, **options)
    return r.X_adv, r.distances, r.success, r.status, r.n_queries


def fits() -> Results:
    """Fit networks under every penalty, objective and constraint, and the probe."""
    d, m = data(), models()
    for penalty in (
        None,
        "rep_spectral",
        "ll_spectral",
        "product_spectral",
        "l2",
        "orthogonal",
        "jacobian",
        "cross_lipschitz",
        "batch_shrinkage",
    ):
        fit = SpectrallyRegularizedEncoder(penalty=penalty, **SETTINGS).fit(d.cancer, d.cancer_y)
        scores = fit.decision_function(d.cancer)
        yield f"fit penalty={penalty}", *weights(fit), fit.loss_curve_, scores
    for objective in ("adversarial", "trades", "gradient", "lipschitz_margin", "vat", "linearity"):
        fit = SpectrallyRegularizedEncoder(objective=objective, **SETTINGS).fit(d.iris, d.iris_y)
        yield f"fit objective={objective}", *weights(fit), fit.transform(d.iris)
    for constraint in ("spectral_norm", "svb", "parseval"):
        fit = SpectrallyRegularizedEncoder(constraint=constraint, **SETTINGS).fit(d.iris, d.iris_y)
        yield f"fit constraint={constraint}", *weights(fit)
    yield "fit convolutions", *weights(m.conv), m.conv.predict_proba(d.digits[:20])
    for objective in ("barlow_twins", "simclr", "vicreg"):
        fit = SelfSupervisedEncoder(
            objective=objective, hidden_layer_sizes=(16,), max_iter=4, random_state=0
        ).fit(d.cancer)
        yield f"fit self-supervised {objective}", *weights(fit), fit.transform(d.cancer)
    for norm in (1, 2, np.inf):
        try:
            probe = RobustLinearProbe(epsilon=0.1, norm=norm).fit(d.wine, d.wine_y)
        except (TypeError, ValueError) as error:
            yield f"probe norm={norm}", str(type(error))
        else:
            yield f"probe norm={norm}", probe.coef_, probe.intercept_


def attacks() -> Results:
    """Attack arrays: every attack on every kind of model, then the options."""
    d, m = data(), models()
    for attack in (
        CGBA(max_queries=300),
        TangentAttack(max_queries=300),
        HopSkipJump(max_queries=300),
        HopSkipJump(norm=np.inf, max_queries=300),
        RayS(norm=np.inf, max_queries=300),
    ):
        for name, model, X, y in (
            ("linear", m.linear, d.iris, d.iris_y),
            ("forest", m.forest, d.cancer, d.cancer_y),
            ("kernel", m.kernel, d.wine, d.wine_y),
            ("encoder", m.encoder, d.cancer, d.cancer_y),
        ):
            found = outcome(attack, model, X[::12][:20], y[::12][:20], pool=X)
            yield f"{type(attack).__name__} L{attack.norm} {name}", *found
    X, y = d.iris, d.iris_y
    for norm in (2, np.inf):
        attack = SquareAttack(norm=norm, max_queries=200)
        found = outcome(attack, m.linear, X[::10], y[::10], eps=0.5, pool=X)
        yield f"Square L{norm}", *found
    some = d.cancer[::30], d.cancer_y[::30]
    yield "CGBA eps", *outcome(CGBA(), m.forest, *some, eps=0.3, pool=d.cancer)
    short = {"max_queries": 200}
    yield "CGBA n_jobs=2", *outcome(CGBA(**short), m.linear, X[::5], y[::5], n_jobs=2)
    targeted = CGBA(targeted=True, **short)
    yield "CGBA targeted", *outcome(targeted, m.linear, X[:8], np.full(8, 2), pool=X)
    uniform = CGBA(starts="uniform", **short)
    yield "CGBA uniform", *outcome(uniform, m.linear, X[::9], y[::9])


def tables() -> Results:
    """Attack frames of numbers, whole numbers and text; and by way of ART."""
    d, m = data(), models()
    space = FeatureSpace.from_data(d.frame, mutable=["a", "b", "whole"], scale="range")
    rows = d.frame[::8], d.wine_y[::8]
    for attack in (CGBA(max_queries=300), RayS(norm=np.inf, max_queries=300)):
        found = outcome(attack, Numbers(m.chain), *rows, space=space, pool=d.frame)
        yield f"{type(attack).__name__} frame", *found
    turned = d.frame[::-1].reset_index(drop=True)
    lengths = space.distances(turned, d.frame), space.distances(turned, d.frame, norm=np.inf)
    yield "space distances", *lengths
    attack = ARTAttack("HopSkipJump", max_iter=2, max_eval=200, init_eval=20)
    yield "ART hop skip jump", *outcome(attack, m.linear, d.iris[::30], d.iris_y[::30])


def certificates_and_scores() -> Results:
    """Certify and score."""
    d, m = data(), models()
    for name, model, X in (
        ("linear", m.linear, d.iris),
        ("mlp", m.mlp, d.wine),
        ("encoder", m.encoder, d.cancer),
        ("conv", m.conv, d.digits[:20]),
        ("chain", m.chain, d.numbers),
    ):
        radii = [certified_radius(model, X, norm=norm, scale=None) for norm in (1, 2, np.inf)]
        yield f"certified_radius {name}", *radii
        yield f"lipschitz_bound {name}", lipschitz_bound(model)
    wine = m.mlp, d.wine, d.wine_y
    yield "certified_accuracy", certified_accuracy_score(*wine, eps=[0.01, 0.1])
    yield (
        "robust_accuracy",
        robust_accuracy_score(m.forest, d.cancer[:60], d.cancer_y[:60], eps=[0.1, 0.5]),
        robust_accuracy_score(*wine, eps=0.2, max_samples=40),
    )
    yield "adversarial_distances", adversarial_distances(m.mlp, d.wine[::6], d.wine_y[::6])
    metrics = (
        "robust_accuracy",
        "median_adversarial_distance",
        "certified_accuracy",
        "median_certified_radius",
    )
    yield "scorers", *(make_robust_scorer(x, eps=0.2, max_samples=20)(*wine) for x in metrics)


def norms() -> Results:
    """Take norms of layers with random weights."""
    generator = torch.Generator().manual_seed(0)
    kernel, dense = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1), torch.nn.Linear(7, 5)
    for layer in (kernel, dense):
        for p in layer.parameters():
            p.data = torch.randn(p.shape, generator=generator)
    yield "norms dense", spectral_norm(dense), certified_norm(dense)
    shape = (2, 9, 9)
    yield "norms convolution", spectral_norm(kernel, shape), certified_norm(kernel, shape)


def inspections() -> Results:
    """Look into models."""
    d, m = data(), models()
    encoder, few, few_y = m.encoder, d.cancer[:10], d.cancer_y[:10]
    yield (
        "margins",
        inspection.logit_margins(m.mlp, d.wine, d.wine_y),
        inspection.feature_margins(encoder, d.cancer),
    )
    yield (
        "instance margins",
        inspection.instance_margins(encoder, d.cancer[::60]),
        inspection.instance_margins(m.mlp, d.wine[::9], norm=np.inf),
    )
    yield "stretch", inspection.layer_stretch(encoder, d.cancer[:30], radius=0.1)
    yield "spectrum", inspection.singular_value_spectrum(m.conv)
    yield "complexity", inspection.spectral_complexity(encoder)
    yield "jacobian", inspection.feature_jacobian_spectrum(encoder, few)
    yield "linearity", inspection.local_linearity(encoder, few, few_y, eps=0.1)
    yield "curvature", inspection.loss_curvature(encoder, few, few_y, h=0.1)
    yield "confidence", inspection.confidence_profile(encoder, d.cancer, d.cancer_y)
    some = d.cancer[::20], d.cancer_y[::20]
    yield "masking", inspection.gradient_masking_report(encoder, *some, eps=[0.05, 0.2])


def toys() -> Results:
    """Draw the toy problems."""
    yield "toys", *make_noisy_xor(random_state=0), *make_sin_boundary(random_state=0)


TOPICS = (fits, attacks, tables, certificates_and_scores, norms, inspections, toys)


def lines() -> Iterator[str]:
    """Yield a line for each result: its name and its hash."""
    for topic in TOPICS:
        for name, *things in topic():
            yield f"{name:45s} {digest(*things)}"


def differences(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """Return a line for each name whose hash is another one, is new, or is gone."""
    old, new = (dict(line.rsplit(maxsplit=1) for line in part) for part in (before, after))
    return [
        f"{name}: {old.get(name, 'nothing')} before, {new.get(name, 'nothing')} now"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every line; return 1 if they are not those of another run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--against", type=Path, metavar="FILE", help="what another run printed")
    against = parser.parse_args(arguments).against
    before = None if against is None else against.read_text(encoding="utf-8").splitlines()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    after = []
    with threadpool_limits(1):
        for line in lines():
            print(line, flush=True)
            after.append(line)
    if before is None:
        return 0
    different = differences(before, after)
    print(f"\n{len(different)} of {len(before)} results differ", *different, sep="\n")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
