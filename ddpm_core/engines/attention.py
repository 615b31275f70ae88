"""The cross-attention of a network with prompts: where in the picture it attends to each word."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_core.engines.from_diffusers import Attention

if TYPE_CHECKING:
    from ddpm_core.engines.from_diffusers import UNet2DConditionModel


class CrossAttention:
    """The cross-attention of a network as maps.

    It evaluates a twin of the network, which shares its weights: so what the network draws stays as it is, and the
    fused attention, which never has these numbers in one place, is left alone.
    """

    def __init__(self, unet: UNet2DConditionModel):
        shared = {id(weight): weight for weight in (*unet.parameters(), *unet.buffers())}
        self._twin: Any = copy.deepcopy(unet, shared)
        self._lock = threading.Lock()
        self._weights: list[Tensor] = []  # the weights of each layer, (N, h w, L)
        for module in self._twin.modules():
            if isinstance(module, Attention) and module.is_cross_attention:
                module.register_forward_pre_hook(self._note, with_kwargs=True)

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """softmax(q k^T / √d), its mean over heads and layers: float32 (N, L, H, W), whose sum over L is 1.

        x: (N, C, H, W). states: of the words, (N, L, D). A coarser layer's map is enlarged to the latent's side.
        """
        with self._lock:
            self._weights.clear()
            self._twin(x, t_index, states)
            maps = [
                F.interpolate(weights.mT.unflatten(2, sides(x.shape[2:], weights.shape[1])), x.shape[2:])
                for weights in self._weights
            ]
        return torch.stack(maps).mean(0)

    def _note(self, layer: nn.Module, arguments: tuple, keywords: dict[str, Any]) -> None:
        attention: Any = layer
        query = attention.head_to_batch_dim(attention.to_q(arguments[0]))
        key = attention.head_to_batch_dim(attention.to_k(keywords["encoder_hidden_states"]))
        weights = attention.get_attention_scores(query, key)  # (N heads, h w, L)
        self._weights.append(weights.unflatten(0, (-1, attention.heads)).mean(1))


def sides(of_picture: Sequence[int], places: int) -> tuple[int, int]:
    """h and w of a layer that has so many places, each level having half the one before, rounded up."""
    h, w = of_picture
    while h * w > places:
        h, w = (h + 1) // 2, (w + 1) // 2
    return h, w
