"""A small convolutional backbone for small images."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from specreg_sklearn._typing import Activation
from specreg_sklearn.modules._architecture import (
    ModuleFactory,
    as_widths,
    check_activation,
    check_image_shape,
)
from specreg_sklearn.tables import check_count


class ConvNet(ModuleFactory):
    """Convolutions that halve the image each time, and one dense layer on top.

    The convolutions have stride 2 in place of pooling: a quarter of the work, and a tighter
    certificate, since the stride is part of the operator whose norm is penalised and proved.

    Parameters
    ----------
    channels : int or sequence of int, default=(32, 64)
        Channels of the convolutions, one after the other.
    kernel_size : int, default=3
        Side of the kernels, odd.
    n_features : int or None, default=128
        Width of the dense layer, which is the feature space. None leaves it out: the features are
        then the last convolution's, flattened.
    batch_norm : bool, default=False
        Whether a batch norm follows each convolution. The penalty and the certificate fold it in.

    See Also
    --------
    ResNet18 : Deeper, with shortcuts, for colour images.

    Examples
    --------
    >>> from specreg_sklearn.modules import ConvNet
    >>> ConvNet(channels=(8, 16), n_features=32)((1, 8, 8))
    Sequential(
      (conv1): Conv2d(1, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
      (activation1): ReLU()
      (conv2): Conv2d(8, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
      (activation2): ReLU()
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (hidden): Linear(in_features=64, out_features=32, bias=True)
      (activation): ReLU()
    )
    """

    def __init__(
        self,
        *,
        channels: int | Sequence[int] = (32, 64),
        kernel_size: int = 3,
        n_features: int | None = 128,
        batch_norm: bool = False,
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.n_features = n_features
        self.batch_norm = batch_norm

    def __call__(
        self, input_shape: tuple[int, ...], *, activation: Activation = "relu"
    ) -> nn.Sequential:
        """Build the backbone; see :meth:`ModuleFactory.__call__`.

        Raises
        ------
        ValueError
            If `input_shape` is not that of an image, or a setting is not accepted.
        """
        n_inputs, height, width = check_image_shape("ConvNet", input_shape)
        check_count("kernel_size", self.kernel_size, owner="ConvNet")
        kernel_size = int(self.kernel_size)
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} of ConvNet must be odd.")
        if self.n_features is not None:
            check_count("n_features", self.n_features, owner="ConvNet")
        make_activation = check_activation(activation, self._widths())
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, n_outputs in enumerate(self._channels(), start=1):
            layers[f"conv{number}"] = nn.Conv2d(
                n_inputs,
                n_outputs,
                kernel_size,
                stride=2,
                padding=kernel_size // 2,
                bias=not self.batch_norm,
            )
            if self.batch_norm:
                layers[f"norm{number}"] = nn.BatchNorm2d(n_outputs)
            layers[f"activation{number}"] = make_activation()
            n_inputs, height, width = n_outputs, (height + 1) // 2, (width + 1) // 2
        layers["flatten"] = nn.Flatten()
        if self.n_features is not None:
            layers["hidden"] = nn.Linear(n_inputs * height * width, int(self.n_features))
            layers["activation"] = make_activation()
        return nn.Sequential(layers)

    def _widths(self) -> list[int]:
        features = [] if self.n_features is None else [int(self.n_features)]
        return self._channels() + features

    def _channels(self) -> list[int]:
        channels = as_widths(self.channels)
        if not channels:
            raise ValueError("channels=() of ConvNet must hold at least one positive integer.")
        for number in channels:
            check_count("channels", number, owner="ConvNet")
        return [int(number) for number in channels]
