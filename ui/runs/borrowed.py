"""The network of a model, and its decoder and text encoder, which a run holds only while it has its turn."""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

from ddpm_core.model import Model
from ddpm_core.prediction import network_device
from ui.models.loaded import Models


class Changed(ValueError):
    """The files of a checkpoint hold another network than when the run began."""


class BorrowedNetwork:
    """A network in the place of a model's own, for one run.

    A run that waits keeps no model in memory: one that had to make room for others meanwhile is loaded again. So the
    limit on the memory of models holds, however many runs of different models take turns.
    """

    def __init__(self, models: Models, ref: str, model: Model):
        self.device = network_device(model.network)
        self.description = getattr(model.network, "description", None)
        self.moves_inputs = getattr(model.network, "moves_inputs", False)
        self._models = models
        self._ref = ref
        self.files = _files(model)  # changes when the weights do
        self._model = weakref.ref(model)
        self._held: Model | None = model

    @property
    def held(self) -> Any:
        """The model, in the run's turn."""
        assert self._held is not None
        return self._held

    def __call__(self, *inputs: Any) -> Any:
        return self.held.network(*inputs)

    def with_gradients(self, *inputs: Any) -> Any:
        """The same with gradients with respect to x."""
        return getattr(self.held.network, "with_gradients", self)(*inputs)

    def attention(self, *inputs: Any) -> Any:
        """How much each place looks at each word."""
        return self.held.network.attention(*inputs)

    def give_back(self) -> None:
        """Let go of the model, until `hold`."""
        self._held = None

    def hold(self) -> bool:
        """Hold the network again; returns whether it had to be loaded. To be called in the run's turn.

        Raises Changed, and what loading raises.
        """
        self._models.loaded(self._ref)  # counts as a use, so that others make room first
        model = self._model()
        here = model is not None
        if model is None:
            model = self._models.get(self._ref)
            if _files(model) != self.files:
                raise Changed(f"the files of {self._ref} have changed during the run: press Run again")
            self._model = weakref.ref(model)
        self._held = model
        return not here


class BorrowedPart:
    """The decoder or the text encoder of the model whose network is lent."""

    def __init__(self, network: BorrowedNetwork, name: str):
        self._network, self._name = network, name

    def __call__(self, *inputs: Any) -> Any:
        return getattr(self._network.held, self._name)(*inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(self._network.held, self._name), name)


def lend(models: Models, ref: str) -> tuple[Model, BorrowedNetwork]:
    """The model of a reference, with a network that is lent, and that network. To be called in the run's turn."""
    model = models.get(ref)
    network = BorrowedNetwork(models, ref, model)
    parts: dict[str, Any] = {
        name: BorrowedPart(network, name) for name in ("decoder", "text") if getattr(model, name) is not None
    }
    return replace(model.evaluated_by(network), **parts), network


def owner(model: Model) -> Model:
    """The model whose network a run holds, in its turn: for what looks inside the network."""
    return model.network.held if isinstance(model.network, BorrowedNetwork) else model


def _files(model: Model) -> object:
    """Changes when the weights do; None for a model that was not loaded from files."""
    source = model.source
    if source is None or source.weights_path is None:
        return None
    try:
        state = source.weights_path.stat()
    except OSError:
        return source.revision
    return source.revision, state.st_mtime_ns, state.st_size, state.st_ino
