"""The house as its pages describe it: floors, sizes, paths, names that hold, what loads late."""

import importlib
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from tools.draw_floors import TARGET, draw_floors
from tools.floor_layout import Layout
from tools.package_imports import (
    PACKAGE,
    ROOT,
    imports_between_folders,
    module_files,
    reachable_modules,
    read_floors,
)

FOLDERS = sorted({path.parent for path in (ROOT / PACKAGE).rglob("*.py")})
MOST_FILES = 16
PAGES = [
    "CONTRIBUTING.md",
    "README.md",
    "RELEASING.md",
    "SECURITY.md",
    "docs/architecture.rst",
    "docs/install.rst",
]
BUILT = ("docs/_build", "docs/gallery", ".venv", "robustness_curve.png")
# What users could import before folders were redrawn. The loaders of large files, which nobody else
# has, moved to benchmarks/loaders.
HELD = {
    "specreg_sklearn": """
        FeatureSpace RobustLinearProbe SelfSupervisedEncoder SpectrallyRegularizedEncoder
        __version__ make_robust_scorer register robust_accuracy show_versions
    """,
    "specreg_sklearn.attacks": """
        CGBA ARTAttack AttackResult BlackBoxAttack FeatureSpace HopSkipJump RayS
        SquareAttack TangentAttack as_art_classifier resolve_attack
    """,
    "specreg_sklearn.constraints": """
        SVB BoundConstraint Constraint Parseval SpectralNorm resolve_constraint
    """,
    "specreg_sklearn.datasets": """
        make_noisy_xor make_sin_boundary
    """,
    "specreg_sklearn.estimators": """
        RobustLinearProbe SelfSupervisedEncoder SpectrallyRegularizedEncoder
    """,
    "specreg_sklearn.inspection": """
        AdversarialExamplesDisplay ConfidenceDisplay ConfidenceProfile GeneralizationGap
        InstanceMargins LayerSpectrum LayerStretch LayerStretchDisplay MarginDisplay
        MaskingReport PerLayer RobustnessCurveDisplay SpectrumDisplay StrengthPathDisplay
        boundary_mass confidence_profile expected_calibration_error
        feature_jacobian_spectrum feature_margins generalization_gap gradient_masking_report
        instance_margins layer_stretch local_linearity logit_margins loss_curvature
        margin_concentration normalized_margins ramp_risk singular_value_spectrum
        spectral_complexity
    """,
    "specreg_sklearn.metrics": """
        StatedLipschitz adversarial_distances certified_accuracy_score certified_radius
        lipschitz_bound make_robust_scorer register_certified_step robust_accuracy
        robust_accuracy_score
    """,
    "specreg_sklearn.modules": """
        ACTIVATIONS ConvNet ModuleFactory Network ResNet18 SeededDraws build_network mlp
        projector readout
    """,
    "specreg_sklearn.objectives": """
        VAT Adversarial BarlowTwins BoundObjective BoundSelfSupervised CrossEntropy Gradient
        ImageViews Linearity LipschitzMargin Objective SelfSupervisedObjective SimCLR
        TableViews Trades VICReg Views bind_objective resolve_objective
    """,
    "specreg_sklearn.penalties": """
        L2 L2SP BatchSpectralShrinkage BoundPenalty CrossLipschitz Jacobian LLSpectral
        Orthogonal Penalty PenaltyReport ProductSpectral RepSpectral bind_penalty
        resolve_penalty
    """,
    "specreg_sklearn.spectral": """
        Activation Affine BlockPowerIteration BoundedLayer CertifiedBound CertifiedMap
        Convolution ConvolutionIteration Elementwise FourierIteration NoLipschitzBound
        SquaredNorm Stage TorchGraph UsedLayer activation batch_norm_scale certified_bound
        certified_matrix_norm certified_norm convolution_norm fold_batch_norm
        follow_convolution largest_square matrix_norm module_lipschitz_bound
        register_lipschitz_rule spectral_norm torch_stages used_layers
    """,
    "specreg_sklearn.training": """
        EpochBar EpochKeeper Patience PenalizedNet SklearnCallbackBridge TensorRows batched
        draw_seed resolve_device solver_settings threads_for_step
    """,
}


@pytest.fixture
def toy_package(tmp_path):
    """Write a package of some files, and return its folder."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / PACKAGE / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / PACKAGE

    return write


def test_the_picture_of_the_floors_is_that_of_the_imports():
    drawn = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
    assert drawn == draw_floors(), f"{TARGET} is not what the imports are. Run: make floors"


def test_every_folder_stands_on_a_floor():
    parts = {path.name for path in FOLDERS if path.parent == ROOT / PACKAGE}
    placed = [name for floor in read_floors() for name in floor]
    assert parts <= set(placed)
    assert len(placed) == len(set(placed))
    assert [name for name in placed if not (ROOT / PACKAGE / name).is_dir()] == [
        name for name in placed if (ROOT / PACKAGE / f"{name}.py").is_file()
    ]


def test_imports_count_in_functions_but_not_for_type_checkers(toy_package):
    package = toy_package(
        one__in__a=f"def late():\n    from {PACKAGE}.two import b\n",
        two__in__b=f"if TYPE_CHECKING:\n    import {PACKAGE}.one\nimport {PACKAGE}.three.c as c\n",
        three__in__c="import os\n",
    )
    assert imports_between_folders(package) == {("one", "two"), ("two", "three")}


def test_an_import_that_goes_up_is_drawn_in_red(toy_package, tmp_path):
    package = toy_package(
        low__in__a=f"import {PACKAGE}.high\n", high__in__b=f"import {PACKAGE}.low\n", _base=""
    )
    for folder in ("low", "high"):
        (package / folder / "__init__.py").write_text("", encoding="utf-8")
    layers = [f"{PACKAGE}.high", f"{PACKAGE}.low", f"{PACKAGE}._base"]
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        f"[[tool.importlinter.contracts]]\ntype = 'layers'\nlayers = {layers}\n", encoding="utf-8"
    )
    picture = draw_floors(package, pyproject)
    assert picture.count('class="arrow wrong"') == 1
    assert picture.count('class="arrow from-high to-low"') == 1
    assert 'class="arrow wrong"' not in draw_floors(
        toy_package(low__in__a="", high__in__b=f"import {PACKAGE}.low\n"), pyproject
    )


def test_lines_keep_clear_of_the_rooms_that_they_pass():
    floors = [["a", "b"], ["c"], ["d", "e"], ["f"]]
    arrows = {("f", "a"), ("f", "b"), ("f", "c"), ("e", "a"), ("d", "b"), ("c", "a"), ("f", "e")}
    layout = Layout(floors, arrows, (100.0, 20.0))
    assert layout.path("f", "a") == [(3, "f"), (2, "a"), (1, "a"), (0, "a")]
    for row in layout.rows:
        for left, right in pairwise(row):
            space = sum(100 if layout.is_room(place) else 20 for place in (left, right)) / 2
            assert layout.x[right] - layout.x[left] >= space - 1  # places are whole numbers
    drawn = {(upper, lower) for lower, uppers in layout.above.items() for upper in uppers}
    for upper, lower in arrows:
        path = layout.path(upper, lower)
        assert drawn.issuperset(pairwise(path))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_folder_has_too_many_files(folder):
    files = sorted(path.name for path in folder.glob("*.py"))
    assert len(files) <= MOST_FILES, files


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_a_page_names_exist(page):
    named = set(paths_in((ROOT / page).read_text(encoding="utf-8")))
    assert named
    missing = [
        path
        for path in sorted(named)
        if not path.startswith(BUILT)
        and not any((base / path).exists() for base in (ROOT, ROOT / PACKAGE, ROOT / "docs"))
    ]
    assert missing == []


def paths_in(text):
    """Yield what a page marks as a path: links and literals with a slash or a known ending."""
    for match in re.finditer(r"\]\(([^)#]+)[^)]*\)|(?<![:`])`{1,2}([^`\s]+)`{1,2}", text):
        path = match[1] or match[2]
        looks_so = "/" in path or path.endswith((".md", ".py", ".toml", ".rst", ".txt", ".cff"))
        if looks_so and "://" not in path and not re.search(r"[<>*{}=\"]|^art/", path):
            yield path


def test_paths_are_found_in_links_and_literals():
    text = "[a](docs/x.rst) `tests/<folder>` ``tables/`` [b](https://x.org/y) `name` `art/Name`"
    text += " :doc:`a/b`"
    assert list(paths_in(text)) == ["docs/x.rst", "tables/"]


def test_the_architecture_page_names_every_folder():
    page = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")
    explained = {
        name for line in re.findall(r"^``.*``$", page, re.MULTILINE) for name in line.split("``")
    }
    _ground, *floors = read_floors()
    assert {name for floor in floors for name in floor} <= explained


@pytest.mark.parametrize(
    "page",
    [*PAGES, ".ci/run", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob(".github/*/*.yml"))],
)
def test_make_targets_that_are_named_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"(?:^|run: |`|SPECREG_DATA=\S+ )make ([a-z-]+)", text, re.MULTILINE)
    assert set(named) <= targets
    assert named or ".github/workflows" not in page


def test_every_module_is_used_or_public():
    modules = module_files(ROOT / PACKAGE)
    assert sorted(set(modules) - reachable_modules(ROOT / PACKAGE)) == []


def test_a_module_that_nobody_imports_is_seen(toy_package):
    package = toy_package(
        __init__=f'lazy = {{"name": "{PACKAGE}._late"}}\n',
        _late="",
        one__in____init__=f"from {PACKAGE}.one._used import name\n",
        one__in___used="name = '_beside'\n",
        one__in___beside=f"if TYPE_CHECKING:\n    from {PACKAGE}._types import Rows\n",
        _types="",
        one__in___lost=f"from {PACKAGE}.one import _also_lost\n",
        one__in___also_lost=f"from {PACKAGE}.one import _lost\n",
    )
    lost = set(module_files(package)) - reachable_modules(package)
    assert lost == {f"{PACKAGE}.one._lost", f"{PACKAGE}.one._also_lost"}


@pytest.mark.parametrize("module", HELD)
def test_names_that_users_import_are_still_there(module):
    found = importlib.import_module(module)
    assert [name for name in HELD[module].split() if not hasattr(found, name)] == []


LIGHT = f"""
import sys
import {PACKAGE}.metrics
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from {PACKAGE}.attacks import as_art_classifier, resolve_attack
from {PACKAGE}.metrics import certified_radius, robust_accuracy_score
import benchmarks.loaders, {PACKAGE}.certificates, {PACKAGE}.export
for name in ("gradients", "strongest", "art/HopSkipJump"):
    resolve_attack(name, norm=2).get_params()
X, y = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=500).fit(X, y)
robust_accuracy_score(model, X, y, eps=0.1, max_samples=5)
print(sorted({{"torch", "skorch", "art"}} & set(sys.modules)))
import {PACKAGE}.inspection
print("matplotlib" in sys.modules)
"""


def test_a_fresh_interpreter_loads_what_it_uses():
    """Neither torch nor ART for a score of a model of scikit-learn, and nothing that draws."""
    run = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert run.stdout.split("\n")[:2] == ["[]", "False"]
