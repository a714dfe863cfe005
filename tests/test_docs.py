"""What the documentation promises: its code runs, the public API is documented, torch is free."""

import importlib
import inspect
import re
import runpy
import sys
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import pytest
import torch
from numpydoc.validate import validate
from packaging.requirements import Requirement
from sklearn.base import clone
from sklearn.datasets import load_iris

from specreg_sklearn import _registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
PACKAGES = (
    "specreg_sklearn",
    *(
        f"specreg_sklearn.{folder}"
        for folder in (
            "attacks",
            "certificates",
            "constraints",
            "datasets",
            "estimators",
            "export",
            "inspection",
            "metrics",
            "modules",
            "objectives",
            "penalties",
            "report",
            "spectral",
            "training",
        )
    ),
)
# Parameters and returns documented, known and in order; a one-line summary that ends with a period.
CHECKED = {"GL08", "SS02", "SS03", "SS06", "PR01", "PR02", "PR03", "PR10", "RT01", "RT03"}


BUILT = {"generated", "gallery", "_build", "_templates", "sg_execution_times.rst"}
WRITTEN_PAGES = [
    page
    for page in sorted((ROOT / "docs").glob("**/*.rst"))
    if not BUILT & set(page.relative_to(ROOT).parts)
]


def public_names():
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)


# A protocol is never built: the parameters of its constructor are typing's own.
CALLABLES = [
    path
    for path, thing in public_names()
    if inspect.isfunction(thing)
    or (inspect.isclass(thing) and not getattr(thing, "_is_protocol", False))
]
TOP_LEVEL = [path for path in CALLABLES if path.count(".") == 1]


def run_block(block, **names):
    namespace = {"__name__": "readme", **names}
    exec(compile(block, "README.md", "exec"), namespace)
    return namespace


def load(path):
    return runpy.run_path(str(ROOT / path), run_name="documentation")


def test_every_example_has_a_thumbnail_of_its_own():
    found = {}
    for path in sorted((ROOT / "examples").glob("plot_*.py")):
        text = path.read_text(encoding="utf-8")
        named = re.findall(r'^# sphinx_gallery_thumbnail_path = "(.*)"$', text, re.MULTILINE)
        assert len(named) == 1, path.name
        found[path.name] = (ROOT / "docs" / named[0]).read_bytes()
    assert len(set(found.values())) == len(found) >= 12


def test_readme_has_the_blocks_that_are_tested_here():
    assert ['alpha="auto"' in block for block in PYTHON_BLOCKS] == [False, False, False, True]


def test_readme_measures_distances_and_a_curve():
    found = run_block(PYTHON_BLOCKS[0])
    curve, distances = found["curve"], found["distances"]
    assert curve.shape == (3,) and (np.diff(curve) <= 0).all()
    assert curve[0] == np.mean(distances > 0)
    assert np.isfinite(distances).all()


def test_readme_proves_what_it_prints(capsys):
    found = run_block(PYTHON_BLOCKS[1], **run_block(PYTHON_BLOCKS[0]))
    printed = re.findall(r"^# (\[.*?\])", PYTHON_BLOCKS[1], flags=re.MULTILINE)
    assert capsys.readouterr().out.splitlines()[-2:] == printed
    assert (found["proved"] <= found["found"]).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:max_iter=.* epochs were reached")
def test_readme_trains_a_network_that_is_harder_to_fool(capsys):
    """The digits may differ from one processor to another; the difference does not vanish."""
    run_block(PYTHON_BLOCKS[3])
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = re.findall(r"^# ([\d. ]+?)  ", PYTHON_BLOCKS[3], flags=re.MULTILINE)
    expected = np.array([line.split() for line in shown], dtype=float)
    np.testing.assert_allclose(np.array(printed, dtype=float), expected, atol=0.1)
    plain, robust = np.array(printed, dtype=float)
    assert (robust >= plain * [0.99, 1.2, 1.2]).all()


def test_readme_closes_the_rows_of_trees():
    found = run_block(PYTHON_BLOCKS[2], **run_block(PYTHON_BLOCKS[0]))
    model, band, y = found["model"], found["band"], found["y"].to_numpy()
    assert band.closed.all() and band.unproved == ""
    exact = band.status == "exact"
    assert exact.sum() >= 6
    assert (model.predict(band.X_adv)[exact] != y[band.places][exact]).all()


@pytest.mark.parametrize("page", WRITTEN_PAGES, ids=lambda page: page.stem)
def test_python_blocks_of_the_pages_compile(page):
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE):
        compile(inspect.cleandoc("\n" + block), str(page), "exec")


def test_every_page_begins_with_a_title():
    """Without one no list of pages links to it, and the site is not built."""
    titled = re.compile(r"(?:(?:\.\.|:|   ).*\n|\n)*(?P<title>\S.*)\n(?P<line>=+)\n")
    for page in WRITTEN_PAGES:
        if page.stem == "changelog":  # it takes all from CHANGELOG.md
            continue
        found = titled.match(page.read_text(encoding="utf-8"))
        assert found, page
        assert len(found["line"]) >= len(found["title"]), page


@pytest.mark.parametrize("path", CALLABLES)
def test_public_docstrings_follow_numpydoc(path):
    errors = [error for error in validate(path)["errors"] if error[0] in CHECKED]
    assert errors == []


@pytest.mark.parametrize("path", TOP_LEVEL)
def test_top_level_names_have_examples(path):
    assert "EX01" not in [code for code, _ in validate(path)["errors"]]


def test_other_public_names_explain_themselves():
    others = {
        path: thing
        for path, thing in public_names()
        if path not in CALLABLES and not isinstance(thing, (str, dict))
    }
    assert "specreg_sklearn.robust_accuracy" in others
    for path, thing in others.items():
        summary = (inspect.getdoc(thing) or "").partition("\n")[0]
        assert summary.endswith("."), path


def test_every_public_name_is_on_the_api_page():
    page = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", page, flags=re.MULTILINE))
    internal = {"specreg_sklearn.training"}
    for path, thing in public_names():
        package, _, name = path.rpartition(".")
        if package not in internal and not isinstance(thing, (str, dict)):
            assert name in listed, path


def test_torch_is_neither_pinned_nor_capped():
    wanted = [Requirement(line) for line in requires("specreg-sklearn")]
    torch_lines = [need for need in wanted if need.name == "torch"]
    assert len(torch_lines) == 1
    assert torch_lines[0].url is None and torch_lines[0].marker is None
    assert {clause.operator for clause in torch_lines[0].specifier} == {">="}


def layer_of(*shape, kind=torch.nn.Linear):
    """Build a float64 layer with chosen weights, and leave torch's global generator alone."""
    layer = torch.nn.utils.skip_init(kind, *shape, dtype=torch.float64)
    weight = np.random.default_rng(0).normal(size=layer.weight.shape)
    layer.weight = torch.nn.Parameter(torch.tensor(weight))
    return layer


def test_example_penalty_is_the_distance_of_the_singular_values():
    penalty = load("examples/custom_penalty.py")["Orthogonality"](target=0.7)
    backbone = torch.nn.Sequential(layer_of(5, 3), layer_of(3, 4))
    bound = clone(penalty).bind(backbone, None, generator=torch.Generator())
    singular = [
        np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False) for layer in backbone
    ]
    expected = sum(((values**2 - 0.7**2) ** 2).sum() for values in singular)
    assert bound.layer_names == ("backbone.0", "backbone.1")
    assert bound.value().item() == pytest.approx(expected, rel=1e-12)


def test_example_penalty_has_the_gradient_of_its_value():
    module = load("examples/custom_penalty.py")
    layer = layer_of(3, 2)
    bound = module["Orthogonality"]().bind(layer, None, generator=torch.Generator())
    bound.add_gradient(2.0)
    W = layer.weight.detach().numpy()
    expected = 2 * 4 * (W @ W.T - np.eye(2)) @ W
    np.testing.assert_allclose(layer.weight.grad.numpy(), expected, rtol=1e-12)


def test_example_penalty_refuses_what_it_cannot_handle():
    penalty = load("examples/custom_penalty.py")["Orthogonality"]
    with pytest.raises(ValueError, match=r"'backbone' \(Conv1d\)"):
        penalty().bind(layer_of(1, 1, 2, kind=torch.nn.Conv1d), None, generator=torch.Generator())
    with pytest.raises(ValueError, match="target=-1"):
        penalty(target=-1).bind(layer_of(1, 1), None, generator=torch.Generator())


def test_a_registered_penalty_trains_by_name(monkeypatch):
    monkeypatch.setitem(_registry._ADDED, "penalties", {})
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.delitem(sys.modules, "custom_penalty", raising=False)
    encoder = load("docs/extend/own_names.py")["encoder"]
    assert "orthogonality" in _registry.available("penalties")
    X, y = load_iris(return_X_y=True)
    encoder.set_params(random_state=0, learning_rate_init=0.02, hidden_layer_sizes=(8,))
    free = clone(encoder).set_params(alpha=0.0).fit(X, y)
    held = clone(encoder).set_params(alpha=0.1).fit(X, y)
    assert held.penalty_curve_[-1] < 0.1 * free.penalty_curve_[-1]


def test_example_module_and_objective_train():
    X, y = load_iris(return_X_y=True)
    settings = {"random_state": 0, "max_iter": 60, "learning_rate_init": 0.01}
    encoder = load("docs/extend/own_module.py")["encoder"].set_params(**settings).fit(X, y)
    assert encoder.transform(X).shape == (150, 12)
    assert isinstance(encoder.module_.backbone[2], torch.nn.Tanh)
    assert encoder.score(X, y) > 0.9
    focal = load("docs/extend/own_objective.py")["encoder"].set_params(**settings).fit(X, y)
    assert focal.score(X, y) > 0.9
    assert focal.objective.gamma == 2.0


def test_example_objective_is_the_focal_loss():
    objective = load("docs/extend/own_objective.py")["Focal"](gamma=1.5)
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)
    loss = objective.per_sample_loss(torch.nn.Identity(), logits, torch.tensor([1, 2]))
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    true = p[[0, 1], [1, 2]]
    np.testing.assert_allclose(loss.numpy(), -((1 - true) ** 1.5) * np.log(true), rtol=1e-12)


def test_example_penalty_on_data_is_the_weighted_mean_square_of_the_logits():
    penalty = load("docs/extend/own_data_penalty.py")["LogitSquares"]()
    layer = layer_of(3, 2)
    bound = penalty.bind(torch.nn.Identity(), layer, generator=torch.Generator())
    X = np.random.default_rng(1).normal(size=(4, 3))
    weight = np.array([1.0, 2.0, 0.0, 3.0])
    bound.see_batch(layer, torch.tensor(X), torch.zeros(4), torch.tensor(weight))
    with torch.no_grad():
        logits = layer(torch.tensor(X)).numpy()
    expected = np.average(np.square(logits).mean(axis=1), weights=weight)
    assert float(bound.value().detach()) == pytest.approx(expected, rel=1e-12)


def test_example_penalty_on_data_lowers_confidence():
    encoder = load("docs/extend/own_data_penalty.py")["encoder"]
    X, y = load_iris(return_X_y=True)
    encoder.set_params(random_state=0, max_iter=60, learning_rate_init=0.02)
    free = clone(encoder).set_params(alpha=0.0).fit(X, y)
    held = clone(encoder).fit(X, y)
    assert held.predict_proba(X).max(axis=1).mean() < free.predict_proba(X).max(axis=1).mean()
    assert held.penalty_curve_[-1] < 0.5 * free.penalty_curve_[-1]


def test_example_constraint_holds_rows_in_a_ball():
    module = load("docs/extend/own_constraint.py")
    X, y = load_iris(return_X_y=True)
    encoder = module["encoder"].set_params(random_state=0, max_iter=30, learning_rate_init=0.02)
    lengths = encoder.fit(X, y).module_.backbone.hidden1.weight.detach().norm(dim=1)
    assert lengths.max() <= 0.5 * (1 + 1e-12)
    assert lengths.min() < 0.49
    with pytest.raises(ValueError, match="limit=0 must be a positive number"):
        module["RowNorms"](limit=0).bind(layer_of(2, 2), None, generator=torch.Generator())
    with pytest.raises(ValueError, match=r"'backbone' \(Conv1d\)"):
        conv = layer_of(1, 1, 2, kind=torch.nn.Conv1d)
        module["RowNorms"]().bind(conv, None, generator=torch.Generator())


def test_example_attack_beats_its_starts_and_never_the_truth():
    from sklearn.linear_model import LogisticRegression

    from specreg_sklearn.attacks import FeatureSpace

    attack = load("docs/extend/own_attack.py")["attack"]
    X, y = load_iris(return_X_y=True)
    X, y = X[:100], y[:100]
    model = LogisticRegression().fit(X, y)
    space = FeatureSpace.from_data(X, scale=None)
    result = attack.run(model, X, y, space=space)
    starts_only = type(attack)(n_starts=5)
    starts_only._search = lambda task: None
    before = starts_only.run(model, X, y, space=space)
    exact = np.abs(model.decision_function(X)) / np.linalg.norm(model.coef_)
    assert (result.status == "found").all()
    assert (result.distances >= exact).all()
    assert (result.distances <= before.distances + 1e-3).all()
    assert result.distances.mean() < before.distances.mean()
    assert (model.predict(result.X_adv) != y).all()
