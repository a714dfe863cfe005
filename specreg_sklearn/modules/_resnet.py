"""The residual network with 18 layers, in the form for small images."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from specreg_sklearn._typing import Activation
from specreg_sklearn.modules._architecture import ModuleFactory, check_activation, check_image_shape
from specreg_sklearn.tables import check_count

_STAGE_STRIDES = (1, 2, 2, 2)
_BLOCKS_PER_STAGE = 2


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut: ``activation(convolutions(x) + shortcut(x))``.

    Where the stride of the first is not 1, or the channels change, the shortcut is a convolution
    with a kernel of side one.
    """

    conv1: nn.Conv2d

    def __init__(
        self, n_inputs: int, n_outputs: int, stride: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_inputs, n_outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_outputs)
        self.activation1 = activation()
        self.conv2 = nn.Conv2d(n_outputs, n_outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or n_inputs != n_outputs:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(n_inputs, n_outputs, 1, stride=stride, bias=False),
                    norm=nn.BatchNorm2d(n_outputs),
                )
            )
        self.activation2 = activation()

    def forward(self, X: Tensor) -> Tensor:
        """Map (n_samples, n_inputs, height, width) to (n_samples, n_outputs, ...)."""
        inner = self.activation1(self.norm1(self.conv1(X)))
        inner = self.norm2(self.conv2(inner))
        return self.activation2(inner + self.shortcut(X))


class ResNet18(ModuleFactory):
    """ResNet-18 as it is used on images of 32 x 32 pixels: 20 convolutions, each with batch norm.

    The first convolution has kernels of side 3 and stride 1, and no max pooling follows. Four
    stages of two blocks each halve the image three times and double the channels as often; the
    features are the averages of the last maps, ``8 * width`` of them. The shortcuts' convolutions
    are layers like any other: the penalty covers them.

    Parameters
    ----------
    width : int, default=64
        Channels of the first stage. 64 is the original network, of 11 million weights; 16 trains on
        two cores.

    References
    ----------
    He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.modules import ResNet18
    >>> backbone = ResNet18(width=8)((3, 32, 32))
    >>> sum(isinstance(layer, torch.nn.Conv2d) for layer in backbone.modules())
    20
    >>> backbone(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64])
    """

    def __init__(self, *, width: int = 64) -> None:
        self.width = width

    def __call__(
        self, input_shape: tuple[int, ...], *, activation: Activation = "relu"
    ) -> nn.Sequential:
        """Build the backbone; see :meth:`ModuleFactory.__call__`.

        Raises
        ------
        ValueError
            If `input_shape` is not that of an image, or `width` is not a positive integer.
        """
        n_channels, *_ = check_image_shape("ResNet18", input_shape)
        check_count("width", self.width, owner="ResNet18")
        n_inputs = int(self.width)
        make_activation = check_activation(activation, [n_inputs])
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv=nn.Conv2d(n_channels, n_inputs, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(n_inputs),
            activation=make_activation(),
        )
        for stage, stride in enumerate(_STAGE_STRIDES):
            n_outputs = n_inputs if stride == 1 else 2 * n_inputs
            for block in range(_BLOCKS_PER_STAGE):
                layers[f"block{stage + 1}_{block + 1}"] = BasicBlock(
                    n_inputs, n_outputs, stride if block == 0 else 1, make_activation
                )
                n_inputs = n_outputs
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        return nn.Sequential(layers)
