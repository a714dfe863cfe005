"""What users may write for `penalty`."""

from __future__ import annotations

import pytest
import torch

from specreg_sklearn.penalties import (
    L2,
    L2SP,
    BoundPenalty,
    CrossLipschitz,
    Jacobian,
    LLSpectral,
    Orthogonal,
    Penalty,
    ProductSpectral,
    RepSpectral,
    resolve_penalty,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rep_spectral", RepSpectral),
        ("ll_spectral", LLSpectral),
        ("product_spectral", ProductSpectral),
        ("l2", L2),
        ("l2_sp", L2SP),
        ("orthogonal", Orthogonal),
        ("jacobian", Jacobian),
        ("cross_lipschitz", CrossLipschitz),
    ],
)
def test_names(name, kind):
    assert type(resolve_penalty(name)) is kind


def test_none_and_objects_are_taken_as_they_are():
    penalty = RepSpectral(n_vectors=2)
    assert resolve_penalty(None) is None
    assert resolve_penalty(penalty) is penalty


def test_anything_that_binds_will_do():
    class Duck:
        def bind(self, backbone, head, *, generator): ...

    duck = Duck()
    assert resolve_penalty(duck) is duck


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(
        ValueError, match=r"penalty='spectral'.*'l2', 'l2_sp', 'll_spectral'.*'rep_spectral'"
    ):
        resolve_penalty("spectral")


@pytest.mark.parametrize("penalty", [RepSpectral, 3, 0.5, object()])
def test_neither_name_nor_instance(penalty):
    with pytest.raises(TypeError, match=r"penalty=.*'rep_spectral'.*instance with a `bind` method"):
        resolve_penalty(penalty)


def test_value_alone_makes_a_penalty(generator):
    """The documented minimum of a third-party penalty: a value that carries a gradient."""

    class BoundBiasSquares(BoundPenalty):
        def __init__(self, head):
            self.head = head

        def value(self):
            return self.head.bias.square().sum()

    class BiasSquares(Penalty):
        def bind(self, backbone, head, *, generator):
            return BoundBiasSquares(head)

    head = torch.nn.utils.skip_init(torch.nn.Linear, 2, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([1.0, -2.0]))
    bound = BiasSquares().bind(torch.nn.Identity(), head, generator=generator)
    bound.add_gradient(0.5)
    torch.testing.assert_close(head.bias.grad, torch.tensor([1.0, -2.0]))
    assert bound.report() == (5.0, 0.0)
    assert bound.layer_names == ()
