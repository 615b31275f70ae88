"""Networks, decoders and text encoders that a run holds only during its turn, so that others can free the memory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ddpm_core.model import Decoder, Model, WordReader, engine_network, word_reader

if TYPE_CHECKING:
    from ddpm_core.model import Tensor


class Lender(Protocol):
    """Who has the models: `Models` of loaded.py."""

    def loaded(self, ref: str) -> Model | None: ...

    def get(self, ref: str) -> Model: ...


class Changed(ValueError):
    """The files of a checkpoint hold another network than when the run began."""


class BorrowedNetwork:
    """An `EngineNetwork` in the place of a model's own, for all runs of this model.

    Only the run that has its turn holds the model, so runs that wait keep no model in memory. If a model had to make
    room for others meanwhile, it is loaded again. So the limit on the memory of models holds, however many runs of
    different models take turns.
    """

    def __init__(self, models: Lender, ref: str, model: Model):
        network = engine_network(model)
        self.device, self.description, self.moves_inputs = network.device, network.description, network.moves_inputs
        self._models = models
        self._ref = ref
        self.files = files(model)  # changes when the weights do
        self._model = weakref.ref(model)
        self.held: Model | None = model
        """the model; None outside of a run's turn"""

    @property
    def model(self) -> Model:
        """The model, in a run's turn."""
        assert self.held is not None
        return self.held

    @property
    def memory(self) -> int:
        """About how many bytes the network takes by now."""
        return engine_network(self.model).memory

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        assert self.held is not None
        return self.held.network(x, t_index, labels)

    def with_gradients(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network with gradients with respect to x."""
        return engine_network(self.model).with_gradients(x, t_index, labels)

    def attention(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return how much each place of x attends to each word."""
        return engine_network(self.model).attention(x, t_index, states)

    def give_back(self) -> None:
        """Let go of the model, until `hold`."""
        self.held = None

    def hold(self) -> bool:
        """Hold the model again. Returns whether it had to be loaded. Call this in the run's turn.

        Raises Changed, and whatever loading raises.
        """
        self._models.loaded(self._ref)  # this counts as a use, so that other models make room first
        model = self._model()
        is_loaded = model is not None
        if model is None:
            model = self._models.get(self._ref)
            if files(model) != self.files:
                raise Changed(f"the files of {self._ref} have changed during the run: press Run again")
            self._model = weakref.ref(model)
        self.held = model
        return not is_loaded


class BorrowedDecoder:
    """The `Decoder` of the model whose network is lent."""

    def __init__(self, network: BorrowedNetwork):
        self._network = network

    @property
    def _held(self) -> Decoder:
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
        """Return roughly the result of `decode`, at almost no cost."""
        return self._held.preview(x)


class BorrowedText:
    """The `WordReader` of the model whose network is lent."""

    def __init__(self, network: BorrowedNetwork):
        self._network = network

    @property
    def _held(self) -> WordReader:
        return word_reader(self._network.model)

    def __call__(self, prompts: Sequence[str]) -> Tensor:
        return self._held(prompts)

    def words(self, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the words of a prompt, each with the numbers of its tokens."""
        return self._held.words(prompt)

    def unknown(self, prompt: str) -> list[str]:
        """Return the words of a prompt that were in no caption of the training."""
        return self._held.unknown(prompt)


def borrow(models: Lender, ref: str, model: Model) -> tuple[Model, BorrowedNetwork]:
    """Return the same model with a borrowed network, and that network, which holds it."""
    network = BorrowedNetwork(models, ref, model)
    decoder = BorrowedDecoder(network) if model.decoder else None
    text = BorrowedText(network) if model.text else None
    return replace(model.evaluated_by(network), decoder=decoder, text=text), network


def owner(model: Model) -> Model:
    """Return the model whose network a run holds in its turn. Code that looks inside the network needs it."""
    return model.network.model if isinstance(model.network, BorrowedNetwork) else model


def files(model: Model) -> object:
    """Return a value that changes when the weights do; None for a model that was not loaded from files."""
    source = model.source
    if source is None or source.weights_path is None:
        return None
    try:
        state = source.weights_path.stat()
    except OSError:
        return source.revision
    return source.revision, state.st_mtime_ns, state.st_size, state.st_ino
