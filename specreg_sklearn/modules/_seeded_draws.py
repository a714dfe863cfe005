"""Build torch modules from one explicit generator, whatever their constructors draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from inspect import signature
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from specreg_sklearn.modules._single_precision import usual_dtype

# Compiled functions have no Python signature to read: these take `generator`.
_COMPILED_DRAWS = {
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_",
    "uniform_", "bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn",
    "randperm",
}  # fmt: skip


class SeededDraws(TorchFunctionMode):
    """Inside this context every random torch function draws from one generator.

    Seeding torch globally would change the user's random state, and forking the global state is
    not safe under threads: a grid search on threads then scores differently from a serial one.
    The mode is local to the thread and leaves the global generator alone. Tensors whose type is not
    given are float32, whatever ``torch.set_default_dtype`` says.

    Parameters
    ----------
    generator : torch.Generator
        A CPU generator, advanced by every draw inside the context.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.modules import SeededDraws
    >>> def build():
    ...     with SeededDraws(torch.Generator().manual_seed(0)):
    ...         return torch.nn.Linear(3, 2)
    >>> torch.equal(build().weight, build().weight)
    True
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = usual_dtype(func, args, dict(kwargs or {}))
        if _takes_generator(func) and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


@lru_cache(maxsize=1024)  # reading a signature takes longer than most draws
def _takes_generator(func: Callable[..., Any]) -> bool:
    if getattr(func, "__name__", "") in _COMPILED_DRAWS:
        return True
    try:
        return "generator" in signature(func).parameters
    except (TypeError, ValueError):  # compiled, and not a draw
        return False
