"""scikit-learn's own checks: all of them, none excused, in short fits and on default parameters.

Beside them the checks that can depend on a penalty or an objective, in short fits.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder

ESTIMATORS = [SpectrallyRegularizedEncoder, SelfSupervisedEncoder, RobustLinearProbe]

# What scikit-learn runs on its own classes only.
CHECKS_FOR_ALL = [
    estimator_checks.check_param_validation,
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_inplace_ensure_writeable,
]
CHECKS_FOR_TRANSFORMERS = [
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
]
KEY_CHECKS_FOR_TRANSFORMERS = [
    estimator_checks.check_estimators_pickle,
    estimator_checks.check_fit_idempotent,
    estimator_checks.check_dont_overwrite_parameters,
]
KEY_CHECKS = [
    *KEY_CHECKS_FOR_TRANSFORMERS,
    estimator_checks.check_sample_weight_equivalence_on_dense_data,
]


# Most checks fit anew, and few ask how good the fit is. The slow tests take the default length.
SHORT = [
    SpectrallyRegularizedEncoder(max_iter=30),
    SelfSupervisedEncoder(max_iter=20),
    RobustLinearProbe(),
]
ALL_CHECKS, DEFAULT_CHECKS = (
    # scikit-learn 1.6 hands over a generator, which pytest no longer likes.
    list(parametrize_with_checks(estimators).args[1])
    for estimators in (SHORT, [kind() for kind in ESTIMATORS])
)
# How scikit-learn names its checks.
IDS = parametrize_with_checks([]).kwargs["ids"]


@pytest.mark.parametrize(
    ("estimator", "check"),
    [*ALL_CHECKS, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in DEFAULT_CHECKS)],
    ids=IDS,
)
def test_scikit_learn_checks(estimator, check):
    before = np.random.get_state()
    check(estimator)
    if check.func is estimator_checks.check_methods_sample_order_invariance:
        np.random.set_state(before)  # the check itself draws a permutation


def name_of(check):
    return check.__name__


@pytest.mark.parametrize("check", CHECKS_FOR_ALL, ids=name_of)
@pytest.mark.parametrize("kind", ESTIMATORS)
def test_checks_that_scikit_learn_keeps_for_itself(kind, check):
    check(kind.__name__, kind())


@pytest.mark.parametrize("check", CHECKS_FOR_TRANSFORMERS, ids=name_of)
@pytest.mark.parametrize("kind", [SpectrallyRegularizedEncoder, SelfSupervisedEncoder])
def test_transformer_checks_that_scikit_learn_keeps_for_itself(kind, check):
    check(kind.__name__, kind(max_iter=3))


@pytest.mark.parametrize("check", KEY_CHECKS, ids=name_of)
@pytest.mark.parametrize("penalty", [None, "l2", "ll_spectral"])
def test_key_checks_with_the_other_penalties(penalty, check):
    encoder = SpectrallyRegularizedEncoder(penalty=penalty, max_iter=20)
    check("SpectrallyRegularizedEncoder", encoder)


@pytest.mark.parametrize("check", KEY_CHECKS_FOR_TRANSFORMERS, ids=name_of)
@pytest.mark.parametrize("objective", ["simclr", "vicreg"])
def test_key_checks_with_the_other_objectives_without_labels(objective, check):
    check("SelfSupervisedEncoder", SelfSupervisedEncoder(objective=objective, max_iter=20))


def test_no_check_is_excused():
    """Tags that switch checks off would make the list above look better than it is."""
    for kind in ESTIMATORS:
        tags = kind().__sklearn_tags__()
        assert not tags.non_deterministic
        assert not tags.no_validation
        assert not tags._skip_test
        assert tags.classifier_tags is None or not tags.classifier_tags.poor_score
