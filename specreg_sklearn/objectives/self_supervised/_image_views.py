"""Views of images: crops, flips, turns, light, colour and blur, drawn by kornia."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from specreg_sklearn.modules import SeededDraws
from specreg_sklearn.objectives.self_supervised._views import DrawView, Views
from specreg_sklearn.tables import check_flag, check_number, check_share

# Shares of the images that change, as usual in self-supervision.
_JITTERED, _BLURRED = 0.8, 0.5
_BLUR_KERNEL, _BLUR_WIDTHS = (3, 3), (0.1, 1.0)


class ImageViews(Views):
    """Crop, flip, turn, relight, recolour and blur images.

    The transformations are those of kornia (``pip install "specreg-sklearn[images]"``). All are
    drawn anew for every image. Colours change where there are three channels; brightness and
    contrast change with any number.

    Parameters
    ----------
    crop : float, default=0.6
        Least share of the area that a crop keeps, in (0, 1]; crops are scaled to the full size.
        1 does not crop. Photographs bear less, such as 0.2.
    flip : bool, default=False
        Mirror half of the images left to right: right for photographs, wrong for digits.
    rotation : float, default=10.0
        Largest turn in degrees, in either direction.
    jitter : float, default=0.4
        Strength of the changes of brightness, contrast and saturation, in [0, 1]; hue changes by
        a quarter of it. Eight images in ten change.
    grey : float, default=0.2
        Share of the images of three channels that lose their colour.
    blur : bool, default=True
        Blur half of the images a little.

    Notes
    -----
    Light and colour are made for values in [0, 1]: images are mapped there by the least and the
    largest value of the training rows, and back. Rows that a scaler has treated column by column
    are no images any more; divide by a constant instead.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from specreg_sklearn.objectives import ImageViews
    >>> X = load_digits().data / 16
    >>> draw = ImageViews().bind(X, input_shape=(1, 8, 8), generator=torch.Generator())
    >>> draw(torch.tensor(X[:5])).shape
    torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        crop: float = 0.6,
        *,
        flip: bool = False,
        rotation: float = 10.0,
        jitter: float = 0.4,
        grey: float = 0.2,
        blur: bool = True,
    ) -> None:
        self.crop = crop
        self.flip = flip
        self.rotation = rotation
        self.jitter = jitter
        self.grey = grey
        self.blur = blur

    def check_rows(self, X: np.ndarray) -> None:
        """Raise if a setting is not accepted; see :meth:`Views.check_rows`."""
        check_number("crop", self.crop, 0, 1, closed="right", accepted="above 0 and at most 1")
        check_flag("flip", self.flip)
        degrees = "degrees from 0 to 180"
        check_number("rotation", self.rotation, 0, 180, closed="both", accepted=degrees)
        check_share("jitter", self.jitter)
        check_share("grey", self.grey)
        check_flag("blur", self.blur)

    def bind(
        self, X: np.ndarray, *, input_shape: tuple[int, ...], generator: torch.Generator
    ) -> DrawView:
        """Set the transformations up; see :meth:`Views.bind`.

        Raises
        ------
        ValueError
            If rows are no images.
        ImportError
            If kornia is not installed.
        """
        self.check_rows(X)
        if len(input_shape) != 3:
            raise ValueError(
                f"ImageViews needs images; input_shape={input_shape!r} must be (channels, height, "
                "width)."
            )
        steps = self._transformations(_kornia_augmentation(), input_shape)
        low, high = float(X.min()), float(X.max())
        return _DrawImageView(steps, input_shape, low, high - low or 1.0, generator)

    def _transformations(self, kornia: ModuleType, input_shape: tuple[int, ...]) -> list[nn.Module]:
        channels, *size = input_shape
        in_colour = channels == 3
        steps = []
        if self.crop < 1:
            steps.append(kornia.RandomResizedCrop(tuple(size), scale=(float(self.crop), 1.0)))
        if self.flip:
            steps.append(kornia.RandomHorizontalFlip(p=0.5))
        if self.rotation > 0:
            turn = {"degrees": float(self.rotation), "padding_mode": "border"}
            steps.append(kornia.RandomAffine(p=1.0, **turn))
        if self.jitter > 0:
            strength = float(self.jitter)
            if in_colour:
                changes = (strength, strength, strength, strength / 4)
                steps.append(kornia.ColorJitter(*changes, p=_JITTERED))
            else:
                factors = (1 - strength, 1 + strength)
                steps.append(kornia.RandomBrightness(factors, p=_JITTERED))
                steps.append(kornia.RandomContrast(factors, p=_JITTERED))
        if self.grey > 0 and in_colour:
            steps.append(kornia.RandomGrayscale(p=float(self.grey)))
        if self.blur and min(size) >= max(_BLUR_KERNEL):
            steps.append(kornia.RandomGaussianBlur(_BLUR_KERNEL, _BLUR_WIDTHS, p=_BLURRED))
        return steps


@dataclass
class _DrawImageView:
    """Kornia draws its parameters on the CPU, from torch's generator: here from the fit's own."""

    steps: list[nn.Module]
    input_shape: tuple[int, ...]
    low: float
    width: float
    generator: torch.Generator

    @torch.no_grad()
    def __call__(self, X: Tensor) -> Tensor:
        images = (X.reshape(len(X), *self.input_shape) - self.low) / self.width
        with SeededDraws(self.generator):
            for step in self.steps:
                images = step(images)
        return images * self.width + self.low


def _kornia_augmentation() -> ModuleType:
    try:
        return import_module("kornia.augmentation")
    except ImportError as error:
        raise ImportError(
            "ImageViews draws its views with kornia, which is not installed; "
            '`pip install "specreg-sklearn[images]"` brings it.'
        ) from error
