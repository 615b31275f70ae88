"""Lend models to runs: a run holds a network, decoder and text encoder only during its turn, so that others can free
the memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ddpm_core.model import Decoder, Model, WordReader, engine_network, word_reader

if TYPE_CHECKING:
    from ddpm_core.model import Tensor


class Lender(Protocol):
    """The object that lends models: `Models` of loaded.py."""

    def loaded(self, ref: str) -> Model | None:
        """Return the model if it is in memory, else None."""
        ...

    def get(self, ref: str) -> Model:
        """Return the model, loaded if necessary."""
        ...


class Changed(ValueError):
    """The files of a checkpoint contain another network than when the run began."""


class BorrowedNetwork:
    """An `EngineNetwork` that replaces a model's own network in all runs of this model.

    Only the run that has its turn holds the model; waiting runs keep no model in memory. If the model was dropped to
    make room for others, `hold` loads it again. So the limit on the memory of models applies, no matter how many runs
    of different models take turns.
    """

    def __init__(self, models: Lender, ref: str, model: Model):
        network = engine_network(model)
        self.device, self.description, self.moves_inputs = network.device, network.description, network.moves_inputs
        self._models = models
        self._ref = ref
        self.files = weights_id(model)  # a value that changes with the files of the weights
        self._model = weakref.ref(model)
        self.held: Model | None = model
        """the model during a run's turn; else None"""

    @property
    def model(self) -> Model:
        """The model. Only available during a run's turn."""
        assert self.held is not None
        return self.held

    @property
    def memory(self) -> int:
        """The approximate number of bytes that the network takes now."""
        return engine_network(self.model).memory

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network, as `EngineNetwork` does."""
        assert self.held is not None
        return self.held.network(x, t_index, labels)

    def with_gradients(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network with gradients with respect to x."""
        return engine_network(self.model).with_gradients(x, t_index, labels)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the attention of each position of x to each token of the prompt."""
        return engine_network(self.model).attention(x, t_index, states)

    def give_back(self) -> None:
        """Release the model until the next call of `hold`."""
        self.held = None

    def hold(self) -> bool:
        """Hold the model again. Return whether it had to be loaded. Call this only in the run's turn.

        Raises Changed, and all errors of loading.
        """
        self._models.loaded(self._ref)  # marks this model as recently used, so that other models are dropped first
        model = self._model()
        is_loaded = model is not None
        if model is None:
            model = self._models.get(self._ref)
            if weights_id(model) != self.files:
                raise Changed(f"the files of {self._ref} have changed during the run: press Run again")
            self._model = weakref.ref(model)
        self.held = model
        return not is_loaded


class BorrowedDecoder:
    """The `Decoder` of a model that is lent to runs."""

    def __init__(self, network: BorrowedNetwork):
        self._network = network

    @property
    def _held(self) -> Decoder:
        """The decoder of the held model."""
        decoder = self._network.model.decoder
        assert decoder is not None
        return decoder

    def decode(self, x: Tensor) -> Tensor:
        """Decode latents into pictures."""
        return self._held.decode(x)

    def encode(self, pictures: Tensor) -> Tensor:
        """Encode pictures as latents."""
        return self._held.encode(pictures)

    def preview(self, x: Tensor) -> Tensor:
        """Return an approximation of `decode` that costs almost nothing."""
        return self._held.preview(x)


class BorrowedText:
    """The `WordReader` of a model that is lent to runs."""

    def __init__(self, network: BorrowedNetwork):
        self._network = network

    @property
    def _held(self) -> WordReader:
        """The word reader of the held model."""
        return word_reader(self._network.model)

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Encode prompts, as `WordReader` does."""
        return self._held(prompts)

    def words(self, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the words of a prompt, each with the indices of its tokens."""
        return self._held.words(prompt)

    def unknown(self, prompt: str) -> list[str]:
        """Return the words of a prompt that did not occur in the training captions."""
        return self._held.unknown(prompt)


def borrow(models: Lender, ref: str, model: Model) -> tuple[Model, BorrowedNetwork]:
    """Return a copy of the model that has a borrowed network, and that network. The network holds the model
    at first.
    """
    network = BorrowedNetwork(models, ref, model)
    decoder = BorrowedDecoder(network) if model.decoder else None
    text = BorrowedText(network) if model.text else None
    return replace(model.evaluated_by(network), decoder=decoder, text=text), network


def loaded_model(model: Model) -> Model:
    """Return the loaded model behind a borrowed model, or the model itself. Code that inspects the network's layers
    needs this.
    """
    return model.network.model if isinstance(model.network, BorrowedNetwork) else model


def weights_id(model: Model) -> object:
    """Return a value that identifies the file of the weights and changes with it; None if the model was not loaded from
    a file.
    """
    source = model.source
    if source is None or source.weights_path is None:
        return None
    try:
        state = source.weights_path.stat()
    except OSError:
        return source.revision
    return source.revision, state.st_mtime_ns, state.st_size, state.st_ino
