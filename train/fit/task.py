"""The tasks of runs. A task makes the initial network, the loss of a batch, and the resulting model."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import Tensor, nn

from ddpm_core import Model, NoiseSchedule
from ddpm_core.engines.from_diffusers import UNet2DModel
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.model import Network
from ddpm_core.names import Averaging
from ddpm_core.objective import loss
from train.common.command_line import user_path
from train.common.config import Config
from train.data.images import Images
from train.fit.inputs.init import warm_start
from train.fit.inputs.latents import encode, latent_shape, open_decoder
from train.fit.inputs.words import (
    PromptedUNet,
    check_same_text,
    learn_words,
    make_prompted,
    make_tokenizer,
    open_text,
    text_of,
)
from train.fit.outputs.card import ModelCard, run_name, shorten_paths
from train.fit.recipe import (
    architecture,
    loss_weights,
    make_model,
    make_network,
    make_schedule,
    of_latents,
    time_distribution,
)
from train.fit.state import fitting


class TrainingTask(ABC):
    """The part of a run that differs between training and distilling."""

    schedule: NoiseSchedule
    times: np.ndarray | None  # P(t <= n) for n = 1..T; None if every t is equally likely
    noises: int = 1  # number of ε that the loss needs for each example
    examples: int | None = None  # number of different examples, which the run repeats; None: all examples differ

    @abstractmethod
    def __init__(self, config: Config, accelerator: Accelerator, images: Images): ...

    @classmethod
    @abstractmethod
    def check(cls, config: Config) -> None:
        """Raise TrainError for a configuration that such a run can't have. The images are read after this check."""

    @abstractmethod
    def network(self, state: Mapping[str, Any] | None) -> nn.Module:
        """Return the network, in float32 on the CPU, with the weights that the run starts from.

        state: the checkpoint to continue from, or None. Its weights are loaded later, so the returned network may have
        any weights.
        """

    def parts(self, network: nn.Module) -> dict[str, Any]:
        """Return the parts of the model besides its network, as fields of `Model`: a latent model's decoder and text
        encoder.
        """
        return {}

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        """Return the facts about the network that a checkpoint keeps besides its weights, as JSON values."""
        assert isinstance(network, UNet2DModel)
        return architecture(network)

    @abstractmethod
    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the loss of each image of a batch, (N,). The mean over all processes and rounds is the loss of the
        step.

        Only dropout draws from torch's generator, so the weights do not depend on how a step is shared among processes.
        x_0: (N, C, H, W); eps: (N, noises · C, H, W); t, n (see `TrainingExamples`): int64 (N,), on the CPU.
        """

    @abstractmethod
    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        """Return the network as a Model. weights: "EMA" or "not EMA"; finished: whether all steps are done."""

    @abstractmethod
    def card(self) -> ModelCard:
        """Return the parts of the model card that describe such a run."""


class Denoising(TrainingTask):
    """A network that learns from data to remove noise (Algorithm 1 of the paper)."""

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise TrainError for widths or attention that don't suit the latents of --decoder."""
        if config.decoder is not None:
            of_latents(config, *latent_shape(config))

    def __init__(self, config: Config, accelerator: Accelerator, images: Images):
        self._asked, self._config, self._images = config, config, images
        self._device, self._is_main = accelerator.device, accelerator.is_main_process
        self._decoder: LatentDecoder | None = None
        self._words, self._tokenizer = "", None
        if config.decoder is not None:
            self._decoder = open_decoder(config.decoder, accelerator.device)
            encode(images, self._decoder, user_path(config.out), quiet=not self._is_main)
            channels, side, _ = images.shape
            self._config = of_latents(config, channels, side)
        self.schedule = make_schedule(config)
        self.times, self._weights = time_distribution(config), loss_weights(config, self.schedule)

    def network(self, state: Mapping[str, Any] | None) -> nn.Module:
        """Return the initial network: a new one, that of the checkpoint, or that of --init."""
        config, num_classes = self._config, self._images.num_classes
        if config.captions:
            with fitting(state or {"step": 0}):
                return self._prompted(state)
        if state is not None:
            with fitting(state):
                return make_network(config, num_classes, state.get("network"))  # None means the paper's network
        if not config.init:
            return make_network(config, num_classes)
        network, sentence = warm_start(config, self._images.classes or ())
        if sentence and self._is_main:
            print(sentence, file=sys.stderr)
        return network

    def _prompted(self, state: Mapping[str, Any] | None) -> PromptedUNet:
        """Return a network that takes prompts, and turn the captions into its tokens. state: as for `network`."""
        config, images = self._config, self._images
        assert images.captions is not None
        given = None
        if config.text is not None:
            given = open_text(config.text, self._device)
            if state is not None:
                check_same_text(given, state["model"])
            self._tokenizer = given.tokenizer
        else:
            self._words = learn_words(images.captions) if state is None else state["network"]["words"]
            self._tokenizer = make_tokenizer(self._words, config.text_length)
        encoder = given and given.encoder
        network = make_prompted(config, images.shape[0], config.image_size, self._tokenizer, encoder)
        text = text_of(self._tokenizer, network, self._device)
        images.tokenize(text.tokens(images.captions), text.tokens([""])[0])
        return network

    def architecture(self, network: nn.Module) -> dict[str, Any]:
        """Return the U-Net's configuration, and the vocabulary of a network with prompts."""
        if isinstance(network, PromptedUNet):
            return {"words": self._words, "unet": json.loads(network.unet.to_json_string())}
        return super().architecture(network)

    def parts(self, network: nn.Module) -> dict[str, Any]:
        """Return the decoder and the text encoder of the model, if it has them."""
        if isinstance(network, PromptedUNet):
            return {"decoder": self._decoder, "text": text_of(self._tokenizer, network, self._device)}
        return {"decoder": self._decoder} if self._decoder else {}

    def losses(self, network: Network, x_0: Tensor, t: Tensor, eps: Tensor, labels: Tensor | None, n: Tensor) -> Tensor:
        """Return the loss of each image, (N,), as --loss, --min-snr and --loss-weight say."""
        config, weights = self._config, self._weights
        weight = None if weights is None else lambda schedule, t: weights[t - 1]
        model = self.model(network, "not EMA", finished=False)
        return loss(model, x_0, labels, t, eps, kind=config.loss, min_snr=config.min_snr, weight=weight)

    def model(self, network: Network, weights: Averaging, finished: bool) -> Model:
        """Return the network as a model of pixels, or of latents if the run has a --decoder."""
        config = self._config
        model = make_model(network, config, self.schedule, self._images.classes, weights)
        if self._decoder is None:
            return model
        factor = self._asked.image_size // config.image_size
        return replace(model, latent=True, factor=factor, takes_words=config.captions, clip=False, leading_offset=1)

    def card(self) -> ModelCard:
        """Return the parts of the model card that describe a training."""
        config = shorten_paths(self._config)
        return ModelCard(
            title=run_name(self._config.out),
            summary="A denoising diffusion model (Ho, Jain & Abbeel 2020), trained with DDPM Lab.",
            caption=f"{config.sample_steps} DDIM steps",
            facts={
                "Loss": f"L_{config.loss}"
                + (f", min-SNR weighting {config.min_snr}" if config.min_snr else "")
                + (f", weighted by {config.loss_weight}" if config.loss_weight else ""),
                "Times": "each t alike"
                if config.times == "uniform"
                else f"log σ_t normal, mean {config.log_sigma_mean:g}, standard deviation {config.log_sigma_std:g}",
                **self._about_words(),
                "Start": f"the weights of {config.init}" if config.init else "random weights",
            },
        )

    def _about_words(self) -> dict[str, str]:
        """Return the row about the text encoder for the card's table; empty for a model without prompts."""
        config = shorten_paths(self._config)
        if not config.captions:
            return {}
        sizes = f"{config.text_layers} layers of {config.text_width}"
        own = f"a text encoder as CLIP's, {sizes}, trained with the network"
        text = f"the text encoder of {config.text}" if config.text else own
        return {"Words": f"{text}; {len(self._tokenizer or ()):,} tokens"}
