"""Print a hash for each of about fifty results, to compare two commits: same seeds, same bits.

Run from the root of a checkout: ``python tools/fingerprints.py``. Only public names are used.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings

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

warnings.simplefilter("ignore")
torch.set_num_threads(1)
threadpool_limits(1)


def digest(*things):
    """Return a short hash of arrays, frames and numbers, types and shapes included."""
    h = hashlib.sha256()
    for thing in things:
        if hasattr(thing, "items") and not isinstance(thing, pd.DataFrame):
            thing = dict(thing.items())
        if hasattr(thing, "__dataclass_fields__"):
            thing = vars(thing)
        if isinstance(thing, dict):
            h.update(digest(*thing.values()).encode())
            continue
        if isinstance(thing, tuple):
            h.update(digest(*thing).encode())
            continue
        if isinstance(thing, pd.DataFrame):
            h.update(thing.to_csv().encode())
            continue
        if isinstance(thing, torch.Tensor):
            thing = thing.detach().numpy()
        array = np.asarray(thing)
        h.update(f"{array.dtype.str} {array.shape}".encode())
        h.update(repr(array.tolist()).encode() if array.dtype.kind in "OU" else array.tobytes())
    return h.hexdigest()[:16]


def weights(model):
    """Return all the parameters of a fitted encoder."""
    return list(model.module_.parameters())


def show(name, *things):
    """Print one line."""
    print(f"{name:45s} {digest(*things)}", flush=True)


def results(attack, model, X, y, **options):
    """Run an attack and return its arrays."""
    r = attack.run(model, X, y, **options)
    return r.X_adv, r.distances, r.success, r.status, r.n_queries


iris, iris_y = load_iris(return_X_y=True)
cancer, cancer_y = load_breast_cancer(return_X_y=True)
cancer = StandardScaler().fit_transform(cancer)
digits, digits_y = load_digits(return_X_y=True)
digits = (digits[:400] / 16).astype(np.float32)
digits_y = digits_y[:400]
wine, wine_y = load_wine(return_X_y=True)

# fits
settings = {"hidden_layer_sizes": (16, 8), "max_iter": 12, "random_state": 0}
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
    fit = SpectrallyRegularizedEncoder(penalty=penalty, **settings).fit(cancer, cancer_y)
    show(f"fit penalty={penalty}", *weights(fit), fit.loss_curve_, fit.decision_function(cancer))
for objective in ("adversarial", "trades", "gradient", "lipschitz_margin", "vat", "linearity"):
    fit = SpectrallyRegularizedEncoder(objective=objective, **settings).fit(iris, iris_y)
    show(f"fit objective={objective}", *weights(fit), fit.transform(iris))
for constraint in ("spectral_norm", "svb", "parseval"):
    fit = SpectrallyRegularizedEncoder(constraint=constraint, **settings).fit(iris, iris_y)
    show(f"fit constraint={constraint}", *weights(fit))
encoder = SpectrallyRegularizedEncoder(**settings).fit(cancer, cancer_y)
conv = SpectrallyRegularizedEncoder(
    module=ConvNet(), max_iter=2, random_state=0, input_shape=(1, 8, 8)
).fit(digits, digits_y)
show("fit convolutions", *weights(conv), conv.predict_proba(digits[:20]))
for objective in ("barlow_twins", "simclr", "vicreg"):
    fit = SelfSupervisedEncoder(
        objective=objective, hidden_layer_sizes=(16,), max_iter=4, random_state=0
    ).fit(cancer)
    show(f"fit self-supervised {objective}", *weights(fit), fit.transform(cancer))
for norm in (1, 2, np.inf):
    try:
        probe = RobustLinearProbe(epsilon=0.1, norm=norm).fit(wine, wine_y)
    except (TypeError, ValueError) as error:
        show(f"probe norm={norm}", str(type(error)))
        continue
    show(f"probe norm={norm}", probe.coef_, probe.intercept_)

# attacks
forest = RandomForestClassifier(10, random_state=0).fit(cancer, cancer_y)
linear = LogisticRegression(max_iter=2000).fit(iris, iris_y)
kernel = SVC().fit(wine, wine_y)
attacked = {
    "linear": (linear, iris, iris_y),
    "forest": (forest, cancer, cancer_y),
    "kernel": (kernel, wine, wine_y),
    "encoder": (encoder, cancer, cancer_y),
}
for attack in (
    CGBA(max_queries=300),
    TangentAttack(max_queries=300),
    HopSkipJump(max_queries=300),
    HopSkipJump(norm=np.inf, max_queries=300),
    RayS(norm=np.inf, max_queries=300),
):
    for name, (model, X, y) in attacked.items():
        show(
            f"{type(attack).__name__} L{attack.norm} {name}",
            *results(attack, model, X[::12][:20], y[::12][:20], pool=X),
        )
for norm in (2, np.inf):
    attack = SquareAttack(norm=norm, max_queries=200)
    show(f"Square L{norm}", *results(attack, linear, iris[::10], iris_y[::10], eps=0.5, pool=iris))
show("CGBA eps", *results(CGBA(), forest, cancer[::30], cancer_y[::30], eps=0.3, pool=cancer))
show("CGBA n_jobs=2", *results(CGBA(max_queries=200), linear, iris[::5], iris_y[::5], n_jobs=2))
show(
    "CGBA targeted",
    *results(CGBA(targeted=True, max_queries=200), linear, iris[:8], np.full(8, 2), pool=iris),
)
show(
    "CGBA uniform",
    *results(CGBA(starts="uniform", max_queries=200), linear, iris[::9], iris_y[::9]),
)
frame = pd.DataFrame(wine[:, :4], columns=list("abcd"))
frame["whole"] = np.round(wine[:, 4]).astype(int)
frame["text"] = np.where(wine[:, 5] > 2, "high", "low")
read = frame.columns[:5]
chain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


class Numbers:
    """Reads the numeric columns of a frame."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        """Return the labels of the numeric columns."""
        return self.model.predict(X[list(read)].to_numpy(dtype=float))


numbers = Numbers(chain.fit(frame[list(read)].to_numpy(dtype=float), wine_y))
space = FeatureSpace.from_data(frame, mutable=["a", "b", "whole"], scale="range")
show(
    "CGBA frame",
    *results(CGBA(max_queries=300), numbers, frame[::8], wine_y[::8], space=space, pool=frame),
)
show(
    "RayS frame",
    *results(
        RayS(norm=np.inf, max_queries=300),
        numbers,
        frame[::8],
        wine_y[::8],
        space=space,
        pool=frame,
    ),
)
show(
    "space distances",
    space.distances(frame[::-1].reset_index(drop=True), frame),
    space.distances(frame[::-1].reset_index(drop=True), frame, norm=np.inf),
)
show(
    "ART hop skip jump",
    *results(
        ARTAttack("HopSkipJump", max_iter=2, max_eval=200, init_eval=20),
        linear,
        iris[::30],
        iris_y[::30],
    ),
)

# certificates and scores
mlp = make_pipeline(StandardScaler(), MLPClassifier((8, 8), max_iter=60, random_state=0))
mlp.fit(wine, wine_y)
pairs = {
    "linear": (linear, iris),
    "mlp": (mlp, wine),
    "encoder": (encoder, cancer),
    "conv": (conv, digits[:20]),
    "chain": (chain, frame[list(read)].to_numpy(dtype=float)),
}
for name, (model, X) in pairs.items():
    show(f"certified_radius {name}", *(certified_radius(model, X, norm=n) for n in (1, 2, np.inf)))
    show(f"lipschitz_bound {name}", lipschitz_bound(model))
show("certified_accuracy", certified_accuracy_score(mlp, wine, wine_y, eps=[0.01, 0.1]))
show(
    "robust_accuracy",
    robust_accuracy_score(forest, cancer[:60], cancer_y[:60], eps=[0.1, 0.5]),
    robust_accuracy_score(mlp, wine, wine_y, eps=0.2, max_samples=40),
)
show("adversarial_distances", adversarial_distances(mlp, wine[::6], wine_y[::6]))
show(
    "scorers",
    *(
        make_robust_scorer(m, eps=0.2, max_samples=20)(mlp, wine, wine_y)
        for m in (
            "robust_accuracy",
            "median_adversarial_distance",
            "certified_accuracy",
            "median_certified_radius",
        )
    ),
)

# norms
g = torch.Generator().manual_seed(0)
kernel = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)
dense = torch.nn.Linear(7, 5)
for layer in (kernel, dense):
    for p in layer.parameters():
        p.data = torch.randn(p.shape, generator=g)
show("norms dense", spectral_norm(dense), certified_norm(dense))
shape = {"input_shape": (2, 9, 9)}
try:
    values = spectral_norm(kernel, (2, 9, 9)), certified_norm(kernel, (2, 9, 9))
except TypeError:
    values = spectral_norm(kernel, **shape), certified_norm(kernel, **shape)
show("norms convolution", *values)

# inspection
show(
    "margins",
    inspection.logit_margins(mlp, wine, wine_y),
    inspection.feature_margins(encoder, cancer),
)
show(
    "instance margins",
    inspection.instance_margins(encoder, cancer[::60]),
    inspection.instance_margins(mlp, wine[::9], norm=np.inf),
)
show("stretch", inspection.layer_stretch(encoder, cancer[:30], radius=0.1))
show("spectrum", inspection.singular_value_spectrum(conv))
show("complexity", inspection.spectral_complexity(encoder))
show("jacobian", inspection.feature_jacobian_spectrum(encoder, cancer[:10]))
show("linearity", inspection.local_linearity(encoder, cancer[:10], cancer_y[:10], eps=0.1))
show("curvature", inspection.loss_curvature(encoder, cancer[:10], cancer_y[:10], h=0.1))
show("confidence", inspection.confidence_profile(encoder, cancer, cancer_y))
show(
    "masking",
    inspection.gradient_masking_report(encoder, cancer[::20], cancer_y[::20], eps=[0.05, 0.2]),
)
show("toys", *make_noisy_xor(random_state=0), *make_sin_boundary(random_state=0))
sys.exit(0)
