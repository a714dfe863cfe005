r"""A penalty of one's own: pull every weight matrix towards orthogonal rows.

The Frobenius orthogonality penalty of a layer with weights :math:`W` of shape (n_out, n_in) is

.. math:: R(W) = \lVert W W^\top - I \rVert_F^2 ,

or :math:`\lVert W^\top W - I \rVert_F^2` when the layer has more outputs than inputs, since then
its columns, and not its rows, can be orthogonal. At zero every singular value is 1: the layer
neither stretches nor forgets a direction.

Run this file to train with the penalty: ``python examples/custom_penalty.py``.
"""

from __future__ import annotations

# start: imports
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import BoundPenalty, Penalty

# end: imports


# start: bound
class BoundOrthogonality(BoundPenalty):
    """The penalty attached to the layers of one network."""

    def __init__(self, layers: list[tuple[str, nn.Linear]], target: float) -> None:
        self.layer_names = tuple(name for name, _ in layers)
        self._weights = [layer.weight for _, layer in layers]
        self._target = target

    def value(self) -> Tensor:
        """Return the sum over the layers, with its gradient."""
        return torch.stack([self._deviation(weight) for weight in self._weights]).sum()

    def _deviation(self, weight: Tensor) -> Tensor:
        n_out, n_in = weight.shape
        gram = weight @ weight.T if n_out <= n_in else weight.T @ weight
        identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        return (gram - self._target**2 * identity).square().sum()


# end: bound


# start: settings
class Orthogonality(Penalty):
    """Squared Frobenius distance of every hidden layer from orthogonality.

    Parameters
    ----------
    target : float, default=1.0
        The singular value that every direction is pulled towards.
    """

    def __init__(self, *, target: float = 1.0) -> None:
        self.target = target

    def bind(
        self, backbone: nn.Module, head: nn.Module, *, generator: torch.Generator
    ) -> BoundOrthogonality:
        """Attach the penalty to the linear layers up to the features."""
        if not self.target > 0:
            raise ValueError(f"target={self.target!r} must be a positive number.")
        layers = []
        for name, layer in backbone.named_modules(prefix="backbone"):
            if next(layer.parameters(recurse=False), None) is None:
                continue  # an activation, or a container: nothing to penalise
            if not isinstance(layer, nn.Linear):
                raise ValueError(
                    f"Orthogonality cannot handle the layer {name!r} ({type(layer).__name__}); "
                    "torch.nn.Linear is accepted."
                )
            layers.append((name, layer))
        return BoundOrthogonality(layers, self.target)


# end: settings


# start: use
def main() -> None:
    """Compare the exact norms and the accuracy with and without the penalty."""
    X, y = load_breast_cancer(return_X_y=True)
    for penalty in (None, Orthogonality(target=1.0)):
        encoder = SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(16,), penalty=penalty, alpha=1e-2, random_state=0
        )
        model = make_pipeline(StandardScaler(), encoder)
        accuracy = cross_val_score(model, X, y, cv=3).mean()
        norm = model.fit(X, y)[-1].spectral_norms_["backbone.hidden1"]
        print(f"{penalty!s:<16} accuracy {accuracy:.3f}, norm of the hidden layer {norm:.2f}")


if __name__ == "__main__":
    main()
# end: use
