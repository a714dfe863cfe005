"""ConvNet and ResNet18 against what their papers and torch say of them."""

from __future__ import annotations

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.nn.functional import conv2d

from specreg_sklearn.certificates import module_lipschitz_bound
from specreg_sklearn.modules import ConvNet, ResNet18, SeededDraws
from specreg_sklearn.spectral import used_layers


@pytest.fixture(autouse=True)
def seeded_weights():
    """Layers are built outside of an estimator here; the global generator stays untouched."""
    with SeededDraws(torch.Generator().manual_seed(0)):
        yield


def test_a_conv_net_halves_the_image(generator):
    backbone = ConvNet(channels=(3, 5), n_features=7)((2, 9, 6)).double().eval()
    images = torch.randn(4, 2, 9, 6, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        maps = conv2d(images, backbone.conv1.weight, backbone.conv1.bias, stride=2, padding=1)
        maps = conv2d(maps.relu(), backbone.conv2.weight, backbone.conv2.bias, stride=2, padding=1)
        assert maps.shape == (4, 5, 3, 2)
        hidden = backbone.hidden
        features = (maps.relu().flatten(1) @ hidden.weight.T + hidden.bias).relu()
        torch.testing.assert_close(backbone(images), features)


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_small_images_are_never_halved_away(side):
    backbone = ConvNet(channels=(2, 2, 2), n_features=None)((1, side, side)).eval()
    assert backbone(torch.zeros(2, 1, side, side)).shape[0] == 2


def test_batch_norm_takes_the_place_of_the_bias():
    backbone = ConvNet(channels=(2, 3), batch_norm=True)((1, 8, 8))
    norms = [layer for layer in backbone if isinstance(layer, nn.BatchNorm2d)]
    assert [norm.num_features for norm in norms] == [2, 3]
    assert backbone.conv1.bias is None and backbone.conv2.bias is None


def test_resnet18_has_the_published_size():
    """11,173,962 weights with ten classes: the count of the 3x3-stem network for CIFAR-10."""
    backbone = ResNet18()((3, 32, 32))
    n_weights = sum(parameter.numel() for parameter in backbone.parameters())
    assert n_weights + 512 * 10 + 10 == 11_173_962


def test_a_block_is_its_convolutions_plus_its_shortcut(generator):
    backbone = ResNet18(width=2)((1, 8, 8)).double().eval()
    plain, halving = backbone.block1_1, backbone.block2_1
    maps = torch.randn(3, 2, 8, 8, generator=generator, dtype=torch.float64)

    def branch(block, X):
        inner = block.norm1(block.conv1(X)).relu()
        return block.norm2(block.conv2(inner))

    with torch.no_grad():
        torch.testing.assert_close(plain(maps), (branch(plain, maps) + maps).relu())
        short = halving.shortcut.norm(halving.shortcut.conv(maps))
        assert short.shape == (3, 4, 4, 4)
        torch.testing.assert_close(halving(maps), (branch(halving, maps) + short).relu())


@pytest.mark.parametrize(
    ("factory", "shape"),
    [
        (ConvNet(channels=(2, 3), n_features=4), (1, 8, 8)),
        (ConvNet(channels=(2, 3), n_features=4, batch_norm=True), (1, 8, 8)),
        (ResNet18(width=2), (1, 8, 8)),
    ],
)
def test_no_pair_of_images_moves_faster_than_the_bound(factory, shape, generator):
    """Running statistics like those of a trained network, so that folding matters."""
    backbone = factory(shape).double().eval()
    for norm in (layer for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)):
        norm.running_mean.normal_(generator=generator)
        norm.running_var.uniform_(0.3, 3, generator=generator)
        nn.init.uniform_(norm.weight, -2, 2, generator=generator)
    bound = module_lipschitz_bound(backbone, shape)
    first, second = torch.randn(2, 200, *shape, generator=generator, dtype=torch.float64)
    near = first + 1e-3 * second
    with torch.no_grad():
        for other in (second, near):
            moved = (backbone(first) - backbone(other)).norm(dim=1)
            slope = moved / (first - other).flatten(1).norm(dim=1)
            assert 0 < slope.max() <= bound


def test_every_convolution_is_a_layer_of_the_penalty():
    names = [layer.name for layer in used_layers(ResNet18(width=2)((1, 8, 8)), (1, 8, 8))]
    assert len(names) == 20
    assert sum("shortcut" in name for name in names) == 3


def test_settings_can_be_searched_and_cloned():
    factory = clone(ConvNet(channels=(2,)).set_params(n_features=5))
    assert factory((1, 4, 4)).hidden.out_features == 5
    assert ResNet18(width=3).get_params() == {"width": 3}


@pytest.mark.parametrize(
    ("shape", "proposal"),
    [
        ((64,), r"\(1, 8, 8\) for 64 features"),
        ((3072,), r"\(3, 32, 32\)"),
        ((28, 28), r"\(1, 28, 28\)"),
        ((30,), r"input_shape=\(n_channels, height, width\), or X"),
    ],
)
@pytest.mark.parametrize("factory", [ConvNet(), ResNet18()])
def test_rows_that_are_no_images(factory, shape, proposal):
    with pytest.raises(ValueError, match=rf"{type(factory).__name__} works on images.*{proposal}"):
        factory(shape)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (ConvNet(channels=()), "channels"),
        (ConvNet(channels=(4, 0)), r"channels=0 of ConvNet"),
        (ConvNet(kernel_size=4), "kernel_size=4 of ConvNet must be odd"),
        (ConvNet(n_features=-1), "n_features=-1"),
        (ResNet18(width=1.5), r"width=1\.5 of ResNet18 must be a positive integer"),
    ],
)
def test_bad_settings_name_themselves(factory, message):
    with pytest.raises(ValueError, match=message):
        factory((1, 8, 8))


@pytest.mark.parametrize("factory", [ConvNet(), ResNet18(width=2)])
def test_unknown_activation(factory):
    with pytest.raises(ValueError, match=r"activation='swish'.*relu"):
        factory((1, 8, 8), activation="swish")
