"""The parts of a latent model besides its network: an autoencoder, and a text encoder with its tokenizer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from ddpm_core.engines.common import forbid_tf32, weight_bytes
from ddpm_core.prediction import check_characters
from ddpm_core.process import to_device

if TYPE_CHECKING:
    from ddpm_core.engines.from_diffusers import AutoencoderKL, AutoencoderTiny, VQModel

Autoencoder: TypeAlias = "AutoencoderKL | AutoencoderTiny | VQModel"
_CLIP = 49_408  # number of tokens in CLIP's vocabulary
_PROBES, _SIDE = 64, 4  # minimum number and side of the latents to which the preview is fitted


class _Evaluated(nn.Module):
    """A torch module whose output an engine computes."""

    def __init__(self, engine: Callable[[Tensor], Tensor]):
        super().__init__()
        self._engine = engine

    def forward(self, z: Tensor, *_: None) -> Tensor:
        """Return engine(z)."""
        return self._engine(z)


class LatentDecoder:
    """An autoencoder as a `model.Decoder`.

    The autoencoder computes each picture alone, in float32, so no picture depends on its batch. scale, shift: x is
    scale · (z − shift), where z is the autoencoder's own latent; so x has a variance of about 1. PyTorch evaluates the
    autoencoder, except for its decoder after `decode_by`.
    """

    def __init__(self, autoencoder: Autoencoder, device: torch.device, scale: float = 1.0, shift: float = 0.0):
        forbid_tf32()
        nn.Module.to(autoencoder, device, torch.float32)
        self.autoencoder = self._decoding = autoencoder.eval().requires_grad_(False)
        self.device, self.scale, self.shift = device, scale, shift
        self._engine: Callable[[Tensor], Tensor] | None = None
        self._colours: Tensor | None = None  # the stored result of `colours`

    @property
    def memory(self) -> int:
        """The bytes of memory that the autoencoder takes, approximately."""
        return weight_bytes(self.autoencoder) + getattr(self._engine, "memory", 0)

    def decode_by(self, engine: Callable[[Tensor], Tensor]) -> None:
        """Let an engine evaluate the decoder: engine(z) decodes z (1, C, H, W). `autoencoder` does not change."""
        self._engine = engine
        self._decoding = copy.copy(self.autoencoder)
        self._decoding._modules = {**self.autoencoder._modules, "decoder": _Evaluated(engine)}

    @torch.no_grad()
    def decode(self, x: Tensor) -> Tensor:
        """Return the pictures of latents x, (N, 3, H, W), about in [−1, 1], with the dtype and on the device of x."""
        z = to_device(x, self.device, torch.float32) / self.scale + self.shift
        network: Any = self._decoding
        return torch.cat([network.decode(one, return_dict=False)[0] for one in z.split(1)]).to(x)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return the latents x of pictures (N, 3, H, W) in [−1, 1]. If the encoder gives a Gaussian, x is its mean."""
        network: Any = self.autoencoder
        found = [
            network.encode(one, return_dict=False)[0]
            for one in to_device(pictures, self.device, torch.float32).split(1)
        ]
        z = torch.cat([one.mode() if hasattr(one, "mode") and not isinstance(one, Tensor) else one for one in found])
        return (self.scale * (z - self.shift)).to(pictures)

    def preview(self, x: Tensor) -> Tensor:
        """Return small pictures (N, 3, H, W), one pixel for each place of x, by a linear fit to the decoder."""
        colours = self.colours(x.shape[1]).to(x)
        return torch.einsum("nchw,cd->ndhw", x, colours[:-1]) + colours[-1][:, None, None]

    def colours(self, channels: int) -> Tensor:
        """Return the preview's weights, (C + 1, 3): red, green and blue for each channel of x, then a constant."""
        if self._colours is None:
            self._colours = self._fitted(channels)
        return self._colours

    @torch.no_grad()
    def _fitted(self, channels: int) -> Tensor:
        """Return the preview's weights, a least-squares fit to the decoder's pictures of spatially constant latents.

        PyTorch decodes these latents in one batch, because an engine would first have to be compiled for their size.
        """
        n, generator = max(_PROBES, 2 * channels), torch.Generator().manual_seed(0)
        probes = torch.randn(n, channels, generator=generator, dtype=torch.float32)
        z = (probes / self.scale + self.shift)[:, :, None, None].expand(-1, -1, _SIDE, _SIDE)
        network: Any = self.autoencoder
        pictures = network.decode(z.to(self.device), return_dict=False)[0].cpu()
        rows = torch.cat([probes, probes.new_ones(n, 1)], 1)
        return torch.linalg.lstsq(rows, pictures.mean((2, 3))).solution


class ClipText:
    """CLIP's text encoder. It returns the last hidden states of N prompts, float32 (N, L, D), for L tokens each.

    Each prompt is evaluated alone, in float32, so that no prompt's states depend on its batch.
    """

    def __init__(self, tokenizer: Any, encoder: nn.Module, device: torch.device):
        """tokenizer, encoder: CLIPTokenizer and CLIPTextModel of transformers."""
        nn.Module.to(encoder, device, torch.float32)
        self.tokenizer, self.encoder, self.device = tokenizer, encoder.eval().requires_grad_(False), device
        own: Any = encoder
        self.length = min(int(tokenizer.model_max_length), int(own.config.max_position_embeddings))

    @property
    def memory(self) -> int:
        """The bytes of the encoder's weights."""
        return weight_bytes(self.encoder)

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Return the tokens of each prompt, int64 (N, L), padded or cut off to length L."""
        return torch.tensor(self._encoded(list(prompts), padding="max_length")["input_ids"])

    def _encoded(self, prompts: Any, **options: Any) -> Any:
        """Return the tokenizer's output for one or more prompts. Raise ValueError for a lone surrogate."""
        check_characters("".join(prompts))
        return self.tokenizer(prompts, max_length=self.length, truncation=True, **options)

    def words(self, prompt: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return the words of a prompt that the encoder reads, each with the positions 0..L − 1 of its tokens."""
        found = self._encoded(prompt)
        numbers: dict[int, list[int]] = {}
        for token, word in enumerate(found.word_ids()):
            if word is not None:  # the start and end tokens belong to no word
                numbers.setdefault(word, []).append(token)
        return [(prompt[slice(*found.word_to_chars(word))], tuple(tokens)) for word, tokens in numbers.items()]

    def unknown(self, prompt: str) -> list[str]:
        """Return the words of a prompt that were in no caption of the training.

        The tokenizer splits such a word into several tokens. The list is empty for CLIP's own vocabulary, because
        CLIP's tokenizer also splits words that CLIP has learned.
        """
        own = len(self.tokenizer) < _CLIP
        return [word for word, tokens in self.words(prompt) if len(tokens) > 1] if own else []

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str]) -> Tensor:
        """Return the last hidden states of the prompts, float32 (N, L, D)."""
        once = list(dict.fromkeys(prompts))
        tokens = to_device(self.tokens(once), self.device)
        states = torch.cat([self.encoder(one, return_dict=False)[0] for one in tokens.split(1)])
        return states[[once.index(prompt) for prompt in prompts]]
