"""Read the output of each block of a U-Net, change it, and see which picture results."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ddpm_core.coordinates import TrainedOn
from ddpm_core.engines.attention import sides
from ddpm_core.engines.common import Inputs, example_inputs, takes_sigma
from ddpm_core.engines.from_diffusers import Attention, UNet2DModel, takes_words
from ddpm_core.engines.torch import layout
from ddpm_core.model import Model

# change(found, t) returns a tensor like `found`, which replaces it in the network. `found` is the output of a block,
# skip or attention layer. For "condition", it is the network's labels; for "time", it is t − 1, int64. t is a time of
# the model's schedule, even if its network was trained on another schedule.
Change = Callable[[Tensor, float], Tensor]
When = Callable[[float], bool]  # when(t) returns whether a part is switched off at time t


class Block(NamedTuple):
    """A block of a U-Net.

    Attributes:
        shape: (C, H, W) of its output for one image.
        parts: its layers, such as "2 resnets, 1 attention".
        attentions: the number of its attention layers.
    """

    shape: tuple[int, int, int]
    parts: str
    attentions: int


def module(model: Model) -> nn.Module:
    """Return the network behind a model as a torch module with float32 weights, in evaluation mode.

    You can train the module, and `save` then writes its new weights. The model itself uses the new weights only if it
    computes in PyTorch and float32. Otherwise, to draw with them, save the model and load it again.

    Arguments:
        model: its network has one of the classes that `load` knows, or is a torch module.

    Raises:
        ValueError: if the network is your own function; and if the weights were rounded and no file has the exact
            weights.
    """
    owner: Any = getattr(model.network, "__self__", model.network)  # the object if network is a bound method
    if isinstance(owner, nn.Module):
        return owner
    network: Any = model.network
    if not hasattr(network, "with_gradients"):
        raise ValueError(f"the network of this model is a {type(network).__name__}, not a torch module")
    return network.with_gradients.trainable()


class Inside:
    """A model with access to the blocks of its U-Net. `inside` makes one, which shares the model's weights.

    Attributes:
        model: the same model, computed in PyTorch and float32, for `trajectory`, `predict` and all other functions.
        blocks: each `Block` by its name, in the order in which x passes them: "down 1", …, "middle", "up 1", …. The
            output of a block is read before the block halves or doubles its height and width.
        skips: the names of the skip connections, the coarsest first. "skips 7" are tensors of 7×7 places, or more if
            the pictures are larger than the model's own size.
        taps: the output of each block in the latest evaluation, (N, C, H, W). With guidance it is (2N, C, H, W), and
            the first N are the outputs with the condition.
        t: the time of the latest evaluation, an int if it is whole. This is the t of the step, except that "heun" ends
            each step but the last with an evaluation at s.
        looks: the attention of the place that `look` chose to all places, in the latest evaluation: (N, heads, h, w) by
            the name of each self-attention layer. These are the weights of the softmax (Vaswani et al. 2017, Eq. 1);
            their sum over h and w is 1.
    """

    def __init__(self, model: Model):
        unet = module(model)
        its = model.coordinates
        other_numbers = takes_sigma(unet) or not (its is None or (isinstance(its, TrainedOn) and its.inner is None))
        if not (isinstance(unet, UNet2DModel) or takes_words(unet)) or other_numbers:
            raise ValueError(f"only U-Nets of diffusers that take t − 1 can be opened, got {type(unet).__name__}")
        self._source, self._inputs = model, Inputs(unet)
        # For each t − 1 of the model's schedule, this table has the time that had the same σ in the network's training.
        self._times = None if its is None else its.translation(model.schedule).time[1:].numpy()
        self._alone = getattr(model.network, "each_alone", True)
        shared = {id(weight): weight for weight in (*unet.parameters(), *unet.buffers())}
        # Hooks are registered on a copy that shares the weights, so that they don't change the model's network.
        self._unet: Any = copy.deepcopy(unet, shared)
        self._changes: dict[str, Change] = {}
        self.t: float = 0
        self._place: tuple[float, float] | None = None
        self.taps: dict[str, Tensor] = {}
        self.looks: dict[str, Tensor] = {}
        self._layers: dict[str, dict[str, int]] = {}  # number of layers of each kind, by the block's name
        self._skips: list[list[str]] = []  # names of the skips of each "up" block
        self._register_hooks()
        x, time, *condition = (part.to(unet.device) for part in example_inputs(unet))
        self._sides = x.shape[2:]
        with torch.no_grad():
            self._unet(x, time, *condition)
        self.blocks = {name: _block(found, self._layers[name]) for name, found in self.taps.items()}
        self.skips = tuple(dict.fromkeys(chain.from_iterable(self._skips)))
        self.model = model.evaluated_by(_Network(self._evaluate, unet.device))
        self.model.coordinates = None

    def change(self, name: str, change: Change) -> None:
        """Replace a part's output by change(found, t) in all evaluations from now on.

        Arguments:
            name: one of `blocks` or `skips`, "attention" for each attention layer, "condition" for the class or the
                prompt, or "time".
            change: (found, t) → a tensor like found, for example found * 0, or the output of another run.

        Raises:
            ValueError: for another name.
        """
        known = (*self.blocks, *self.skips, "attention", "condition", "time")
        if name not in known:
            raise ValueError(f"there is no {name!r} in this network: choose from {', '.join(known)}")
        if name == "condition" and self._source.null_label is None and self._source.text is None:
            raise ValueError("this model has no condition that could be changed")
        self._changes[name] = change

    def cut(self, *names: str, when: When | None = None) -> None:
        """Switch parts off.

        Blocks and skips that are off output 0, and attention layers add nothing. The condition becomes no class or the
        empty prompt. The time becomes T/2.

        Arguments:
            names: as for `change`.
            when: when(t) → whether the parts are off at this t, a real number; None for always.

        Raises:
            ValueError: for a name that does not exist.
        """
        for name in names:
            self.change(name, partial(self._switched_off, name, when))

    def restore(self) -> None:
        """Undo all changes of `change` and `cut`."""
        self._changes.clear()

    def look(self, down: float, right: float) -> None:
        """Choose a place of the picture. From the next evaluation on, `looks` has its attention to all places.

        Cross-attention to a prompt is not included. A layer that is switched off is included.

        Arguments:
            down: from 0 at the upper edge to below 1 at the lower edge.
            right: from 0 at the left edge to below 1 at the right edge.

        Raises:
            ValueError: for a place outside the picture, and for a network without self-attention.
        """
        if not (0 <= down < 1 and 0 <= right < 1):
            raise ValueError(f"a place is two numbers from 0 to below 1, down and right: got {down} and {right}")
        if not any(map(_is_self_attention, self._unet.modules())):
            raise ValueError("this network has no self-attention: choose another model, or leave out the place")
        self._place = down, right

    def _switched_off(self, name: str, when: When | None, found: Tensor, t: float) -> Tensor:
        """Return the replacement for the output of a switched-off part, or `found` if the part is on at this t."""
        if when is not None and not when(t):
            return found
        if name == "time":
            return torch.full_like(found, self._source.schedule.T // 2 - 1)
        if name == "condition" and self._source.text is not None:
            return self._source.text([""]).to(found).expand_as(found)
        if name == "condition":
            return torch.full_like(found, self._source.null_label or 0)
        return torch.zeros_like(found)

    # --- Hooks

    def _register_hooks(self) -> None:
        """Register the hooks that read and change the outputs of all parts."""
        unet = self._unet
        for name, layer in unet.named_modules():
            if _is_self_attention(layer):
                layer.to_k.register_forward_hook(partial(self._store_attention, name, layer))
            if isinstance(layer, Attention):
                # Registered before `_store_output`, so that it runs first on the last layer of a block.
                layer.register_forward_hook(self._change_attention)
        for i, block in enumerate(unet.down_blocks, 1):
            self._hook_block(f"down {i}", block, _last(block))
        if unet.mid_block is not None:
            self._hook_block("middle", unet.mid_block, unet.mid_block)
        for i, block in enumerate(unet.up_blocks, 1):
            self._hook_block(f"up {i}", block, _last(block))
            self._skips.append([])
            block.register_forward_pre_hook(partial(self._change_skips, self._skips[-1]), with_kwargs=True)

    def _hook_block(self, name: str, block: Any, last: nn.Module) -> None:
        """Count the layers of a block, and register the hook `_store_output` on its last layer."""
        layers = {kind: getattr(block, f"{kind}s", None) or () for kind in ("resnet", "attention")}
        self._layers[name] = {kind: sum(layer is not None for layer in found) for kind, found in layers.items()}
        last.register_forward_hook(partial(self._store_output, name))

    def _store_output(self, name: str, layer: nn.Module, arguments: tuple, output: Any) -> Any:
        """Change the output of a block if `change` was called for it, store it, and return it. A forward hook."""
        found = output[0] if isinstance(output, tuple) else output
        changed = self._changed(name, found)
        self.taps[name] = changed.detach()
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def _change_skips(
        self, names: list[str], block: nn.Module, arguments: tuple, keywords: dict[str, Any]
    ) -> tuple[tuple, dict[str, Any]]:
        """Return an "up" block's inputs with changed skips. The first call also fills `names`. A forward pre-hook."""
        given = keywords["res_hidden_states_tuple"] if "res_hidden_states_tuple" in keywords else arguments[1]
        names += [] if names else [f"skips {skip.shape[-1]}" for skip in given]  # the number is the width of a skip
        skips = tuple(map(self._changed, names, given))
        if "res_hidden_states_tuple" in keywords:
            return arguments, keywords | {"res_hidden_states_tuple": skips}
        return (arguments[0], skips, *arguments[2:]), keywords

    def _change_attention(self, layer: Any, arguments: tuple, output: Tensor) -> Tensor:
        """Return an attention layer's output after changing the part that it adds to its input. A forward hook."""
        given = arguments[0] / layer.rescale_output_factor if layer.residual_connection else torch.zeros_like(output)
        return given + self._changed("attention", output - given) if "attention" in self._changes else output

    def _store_attention(self, name: str, layer: Any, to_k: nn.Module, arguments: tuple, k: Tensor) -> None:
        """Store the attention of the chosen place to all places, from the keys k of a layer. A forward hook of to_k."""
        if self._place is None:
            return
        rows, columns = sides(self._sides, k.shape[1])
        place = int(self._place[0] * rows) * columns + int(self._place[1] * columns)
        q = layer.to_q(arguments[0][:, place, None])
        q, k = (part.detach().unflatten(2, (layer.heads, -1)).transpose(1, 2) for part in (q, k))
        self.looks[name] = (layer.scale * q @ k.transpose(2, 3)).softmax(-1).unflatten(3, (rows, columns))[:, :, 0]

    def _changed(self, name: str, found: Tensor) -> Tensor:
        """Return a part's output `found`, changed if `change` was called for it. Raise ValueError for another shape."""
        change = self._changes.get(name)
        if change is None:
            return found
        changed = change(found, self.t)
        if not isinstance(changed, Tensor) or changed.shape != found.shape:
            got = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise ValueError(f"a change of {name!r} must return a tensor of shape {tuple(found.shape)}, got {got}")
        return changed.to(found)

    def _evaluate(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the network's output for x.

        On a CPU, each image is evaluated alone, unless `load` got batched=True.
        """
        t_index, labels = self._inputs.checked(x, t_index, labels)
        device, together = self._unet.device, len(x)
        if (self._alone and self._unet.device.type == "cpu") or len(t_index.unique()) > 1:
            together = 1
        self._sides = x.shape[2:]
        outputs, taps, looks = [], [], []
        for i in range(0, len(x), together):
            part = slice(i, i + together)
            t = t_index[i].item() + 1
            self.t, self.taps, self.looks = int(t) if t == int(t) else t, {}, {}
            time = self._changed("time", t_index[part])
            if self._times is not None:
                of_training = np.interp(time.cpu(), np.arange(len(self._times)), self._times)
                time = torch.from_numpy(of_training).float()
            condition: tuple[Tensor, ...] = ()
            if labels is not None:
                condition = (self._changed("condition", labels[part]).to(device),)
            image = x[part].to(device, torch.float32).contiguous(memory_format=layout(device))
            outputs.append(self._unet(image, time.to(device), *condition, return_dict=False)[0])
            taps.append(self.taps)
            looks.append(self.looks)
        self.taps, self.looks = (
            {name: torch.cat([found[name] for found in parts]) for name in parts[0]} for parts in (taps, looks)
        )
        return torch.cat(outputs).to(x)


class _Network:
    """The network of `Inside.model`, which calls `Inside._evaluate`."""

    moves_inputs = True

    def __init__(self, evaluate: Callable[..., Tensor], device: torch.device):
        self._evaluate, self.device = evaluate, device

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the output of `Inside._evaluate`."""
        return self._evaluate(x, t_index, labels)


def inside(model: Model) -> Inside:
    """Open the U-Net of a model, to read and change the outputs of its blocks.

    Arguments:
        model: its network is a U-Net of diffusers that takes t − 1, as in every embedded checkpoint.

    Returns:
        An `Inside`, which has the outputs of the blocks. The model itself does not change.

    Raises:
        ValueError: for a network of another class; and the errors of `module`.
    """
    return Inside(model)


def _is_self_attention(layer: nn.Module) -> bool:
    """Return whether a layer is self-attention."""
    return isinstance(layer, Attention) and not layer.is_cross_attention


def _block(output: Tensor, layers: dict[str, int]) -> Block:
    """Return the description of a block. layers: the number of layers of each kind."""
    channels, height, width = output.shape[1:]
    parts = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in layers.items() if n]
    return Block((channels, height, width), ", ".join(parts), layers["attention"])


def _last(block: Any) -> nn.Module:
    """Return the last layer of a block before it halves or doubles its height and width."""
    return (getattr(block, "attentions", None) or block.resnets)[-1]
