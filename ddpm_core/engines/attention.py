"""Maps of cross-attention: how much each place of a picture attends to each token of the prompt."""

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
    """Computes the maps of a network's cross-attention.

    This class evaluates a copy that shares the network's weights. So the network itself keeps its fused attention,
    which never computes these maps as a whole, and its output does not change.
    """

    def __init__(self, unet: UNet2DConditionModel):
        shared = {id(weight): weight for weight in (*unet.parameters(), *unet.buffers())}
        self._twin: Any = copy.deepcopy(unet, shared)
        self._lock = threading.Lock()
        self._weights: list[Tensor] = []  # attention weights of each layer in this evaluation, (N, h · w, L)
        for module in self._twin.modules():
            if isinstance(module, Attention) and module.is_cross_attention:
                module.register_forward_pre_hook(self._store_weights, with_kwargs=True)

    @torch.no_grad()
    def __call__(self, x: Tensor, t_index: Tensor, states: Tensor) -> Tensor:
        """Return the mean of softmax(q kᵀ/√d) over heads and layers, float32 (N, L, H, W). Its sum over L is 1.

        Maps of coarser layers are enlarged to the size of x. x: (N, C, H, W). states: D numbers for each of the
        prompt's L tokens, (N, L, D).
        """
        with self._lock:
            self._weights.clear()
            self._twin(x, t_index, states)
            maps = [
                F.interpolate(weights.mT.unflatten(2, sides(x.shape[2:], weights.shape[1])), x.shape[2:])
                for weights in self._weights
            ]
        return torch.stack(maps).mean(0)

    def _store_weights(self, layer: nn.Module, arguments: tuple, keywords: dict[str, Any]) -> None:
        """Store the attention weights of a layer, averaged over its heads. This is a forward pre-hook."""
        attention: Any = layer
        query = attention.head_to_batch_dim(attention.to_q(arguments[0]))
        key = attention.head_to_batch_dim(attention.to_k(keywords["encoder_hidden_states"]))
        weights = attention.get_attention_scores(query, key)  # (N · heads, h · w, L)
        self._weights.append(weights.unflatten(0, (-1, attention.heads)).mean(1))


def sides(of_picture: Sequence[int], places: int) -> tuple[int, int]:
    """Return h and w of a layer with h · w = places. Each level of a U-Net halves the sides, rounded up."""
    h, w = of_picture
    while h * w > places:
        h, w = (h + 1) // 2, (w + 1) // 2
    return h, w
