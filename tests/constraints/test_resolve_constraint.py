"""What users may write for `constraint`."""

from __future__ import annotations

import pytest

from specreg_sklearn.constraints import (
    SVB,
    BoundConstraint,
    Constraint,
    Parseval,
    SpectralNorm,
    resolve_constraint,
)


@pytest.mark.parametrize(
    ("name", "kind"), [("spectral_norm", SpectralNorm), ("svb", SVB), ("parseval", Parseval)]
)
def test_names(name, kind):
    assert type(resolve_constraint(name)) is kind


def test_none_and_objects_are_taken_as_they_are():
    constraint = SpectralNorm(max_norm=2.0)
    assert resolve_constraint(None) is None
    assert resolve_constraint(constraint) is constraint


def test_anything_that_binds_will_do():
    class Duck:
        def bind(self, backbone, head, *, generator, input_shape=None): ...

    duck = Duck()
    assert resolve_constraint(duck) is duck


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"constraint='ball'.*'parseval', 'spectral_norm', 'svb'"):
        resolve_constraint("ball")


@pytest.mark.parametrize("constraint", [SpectralNorm, 3, 0.5, object()])
def test_neither_name_nor_instance(constraint):
    message = r"constraint=.*'spectral_norm'.*instance with a `bind` method"
    with pytest.raises(TypeError, match=message):
        resolve_constraint(constraint)


def test_project_alone_makes_a_constraint():
    """The documented minimum of a third-party constraint."""

    class BoundNonNegative(BoundConstraint):
        def __init__(self, head):
            self.head = head

        def project(self):
            self.head.append(len(self.head))

    class NonNegative(Constraint):
        def bind(self, backbone, head, *, generator, input_shape=None):
            return BoundNonNegative(head)

    calls = []
    bound = NonNegative().bind(None, calls, generator=None)
    bound.project()
    bound.settle()
    assert calls == [0, 1]
    assert bound.layer_names == ()
