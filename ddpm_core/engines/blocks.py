"""Inside the network: the output of each block of a U-Net, and the picture that results if a block outputs something
else.
"""

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
from ddpm_core.engines.common import Inputs, example_inputs, told_numbers
from ddpm_core.engines.from_diffusers import Attention, UNet2DModel, takes_words
from ddpm_core.engines.torch import layout
from ddpm_core.model import Model

# change(found, t) -> what goes on in the place of what was found, with its shape. found is (N, C, H, W) of a block or a
# skip; of "attention" it is what an attention layer gives; of "condition" the network's labels; of "time" t − 1, int64.
# t is the model's own time, on whatever schedule its network was trained.
Change = Callable[[Tensor, float], Tensor]
When = Callable[[float], bool]


class Block(NamedTuple):
    """A block of a U-Net.

    Attributes:
        shape: (C, H, W) of its output for one image.
        parts: its layers, such as "2 resnets, 1 attention".
        attentions: how many of these are attention.
    """

    shape: tuple[int, int, int]
    parts: str
    attentions: int


def module(model: Model) -> nn.Module:
    """Return the network behind a model as a torch module with float32 weights, in evaluation mode.

    `save` writes the weights of this module, also when you have trained it. The model itself follows a change of them
    if it computes in PyTorch and float32. Otherwise save it and load what was saved, to draw with the new weights.

    Arguments:
        model: its network has one of the classes that `load` knows, or is a torch module.

    Raises:
        ValueError: if the network is your own function; and if the weights were rounded and no file has the exact ones.
    """
    owner: Any = getattr(model.network, "__self__", model.network)  # the object of a method, such as a module's forward
    if isinstance(owner, nn.Module):
        return owner
    network: Any = model.network
    if not hasattr(network, "with_gradients"):
        raise ValueError(f"the network of this model is a {type(network).__name__}, not a torch module")
    return network.with_gradients.trainable()


class Inside:
    """A model whose U-Net shows its blocks and lets you change them; its weights are the model's. See `inside`.

    Attributes:
        model: the same model, computed in PyTorch and float32; for `trajectory`, `predict` and all else.
        blocks: each `Block` by its name, in the order in which x passes them: "down 1", …, "middle", "up 1", …. The
            output of a block is taken before it halves or doubles its sides.
        skips: the names of the skips, the coarsest first: "skips 7" carry tensors of 7×7, and larger ones for pictures
            that are larger than the model's own.
        taps: the output of each block in the newest evaluation, (N, C, H, W); with guidance (2N, C, H, W), first with
            the condition.
        t: the time of the newest evaluation, an int if it is whole. It is the t of the step, but "heun" ends each step
            before the last with an evaluation at s.
        looks: where the place of `look` looks in the newest evaluation, by the name of each layer of self-attention:
            (N, heads, h, w). These are the weights of the softmax (Vaswani et al. 2017, Eq. 1); their sum over h and w
            is 1.
    """

    def __init__(self, model: Model):
        unet = module(model)
        its = model.coordinates
        other_numbers = told_numbers(unet) or not (its is None or (isinstance(its, TrainedOn) and its.inner is None))
        if not (isinstance(unet, UNet2DModel) or takes_words(unet)) or other_numbers:
            raise ValueError(f"only U-Nets of diffusers that take t − 1 can be opened, got {type(unet).__name__}")
        self._source, self._inputs = model, Inputs(unet)
        # The opened model gives its own t − 1, and the network gets the time of its training for it.
        self._times = None if its is None else its.translation(model.schedule).time[1:].numpy()
        self._alone = getattr(model.network, "each_alone", True)
        shared = {id(weight): weight for weight in (*unet.parameters(), *unet.buffers())}
        self._unet: Any = copy.deepcopy(unet, shared)  # so that the model itself stays as it is
        self._changes: dict[str, Change] = {}
        self.t: float = 0
        self._place: tuple[float, float] | None = None
        self.taps: dict[str, Tensor] = {}
        self.looks: dict[str, Tensor] = {}
        self._layers: dict[str, dict[str, int]] = {}  # how many of each kind a block has
        self._skips: list[list[str]] = []  # the names of those of each "up" block
        self._open()
        x, time, *condition = (part.to(unet.device) for part in example_inputs(unet))
        self._sides = x.shape[2:]
        with torch.no_grad():
            self._unet(x, time, *condition)
        self.blocks = {name: _block(found, self._layers[name]) for name, found in self.taps.items()}
        self.skips = tuple(dict.fromkeys(chain.from_iterable(self._skips)))
        self.model = model.evaluated_by(_Network(self._evaluate, unet.device))
        self.model.coordinates = None

    def change(self, name: str, change: Change) -> None:
        """Replace the output of a block, of "skips N", "attention", "condition" or "time" by change(found, t), from now
        on.

        Arguments:
            name: one of `blocks` or `skips`, or "attention" (each layer of it), "condition" (class or prompt), "time".
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
        """Switch parts off. Blocks and skips output 0, attention is left out, there is no condition, time stays at T/2.

        Arguments:
            names: as for `change`.
            when: (t) → whether the parts are off at this t, a real number; None for always.

        Raises:
            ValueError: for a name that does not exist.
        """
        for name in names:
            self.change(name, partial(self._nothing, name, when))

    def restore(self) -> None:
        """Take all changes back."""
        self._changes.clear()

    def look(self, down: float, right: float) -> None:
        """Choose a place of the picture. From the next evaluation on, `looks` says where this place looks.

        Layers that read a prompt are left out. A layer that is switched off still shows where it would look.

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

    def _nothing(self, name: str, when: When | None, found: Tensor, t: float) -> Tensor:
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

    def _open(self) -> None:
        unet = self._unet
        for name, layer in unet.named_modules():
            if _is_self_attention(layer):
                layer.to_k.register_forward_hook(partial(self._see, name, layer))
            if isinstance(layer, Attention):
                layer.register_forward_hook(self._attend)  # before the block that it may end is looked at
        for i, block in enumerate(unet.down_blocks, 1):
            self._tap(f"down {i}", block, _last(block))
        if unet.mid_block is not None:
            self._tap("middle", unet.mid_block, unet.mid_block)
        for i, block in enumerate(unet.up_blocks, 1):
            self._tap(f"up {i}", block, _last(block))
            self._skips.append([])
            block.register_forward_pre_hook(partial(self._skip, self._skips[-1]), with_kwargs=True)

    def _tap(self, name: str, block: Any, last: nn.Module) -> None:
        layers = {kind: getattr(block, f"{kind}s", None) or () for kind in ("resnet", "attention")}
        self._layers[name] = {kind: sum(layer is not None for layer in found) for kind, found in layers.items()}
        last.register_forward_hook(partial(self._note, name))

    def _note(self, name: str, layer: nn.Module, arguments: tuple, output: Any) -> Any:
        found = output[0] if isinstance(output, tuple) else output
        changed = self._changed(name, found)
        self.taps[name] = changed.detach()
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    def _skip(
        self, names: list[str], block: nn.Module, arguments: tuple, keywords: dict[str, Any]
    ) -> tuple[tuple, dict[str, Any]]:
        given = keywords["res_hidden_states_tuple"] if "res_hidden_states_tuple" in keywords else arguments[1]
        names += [] if names else [f"skips {skip.shape[-1]}" for skip in given]  # named by the side of each skip
        skips = tuple(map(self._changed, names, given))
        if "res_hidden_states_tuple" in keywords:
            return arguments, keywords | {"res_hidden_states_tuple": skips}
        return (arguments[0], skips, *arguments[2:]), keywords

    def _attend(self, layer: Any, arguments: tuple, output: Tensor) -> Tensor:
        given = arguments[0] / layer.rescale_output_factor if layer.residual_connection else torch.zeros_like(output)
        return given + self._changed("attention", output - given) if "attention" in self._changes else output

    def _see(self, name: str, layer: Any, to_k: nn.Module, arguments: tuple, k: Tensor) -> None:
        if self._place is None:
            return
        rows, columns = sides(self._sides, k.shape[1])
        place = int(self._place[0] * rows) * columns + int(self._place[1] * columns)
        q = layer.to_q(arguments[0][:, place, None])
        q, k = (part.detach().unflatten(2, (layer.heads, -1)).transpose(1, 2) for part in (q, k))
        self.looks[name] = (layer.scale * q @ k.transpose(2, 3)).softmax(-1).unflatten(3, (rows, columns))[:, :, 0]

    def _changed(self, name: str, found: Tensor) -> Tensor:
        change = self._changes.get(name)
        if change is None:
            return found
        changed = change(found, self.t)
        if not isinstance(changed, Tensor) or changed.shape != found.shape:
            got = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
            raise ValueError(f"a change of {name!r} must return a tensor of shape {tuple(found.shape)}, got {got}")
        return changed.to(found)

    def _evaluate(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network; on a CPU each image alone, unless the model was loaded as batched: see `load`."""
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
    """The network of `Inside.model`."""

    moves_inputs = True

    def __init__(self, evaluate: Callable[..., Tensor], device: torch.device):
        self._evaluate, self.device = evaluate, device

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._evaluate(x, t_index, labels)


def inside(model: Model) -> Inside:
    """Open the U-Net of a model.

    Arguments:
        model: its network is a U-Net of diffusers that takes t − 1, as in every embedded checkpoint.

    Returns:
        An `Inside`, which shows each block and lets you change it. The model itself stays as it is.

    Raises:
        ValueError: for a network of another class, and as `module` does.
    """
    return Inside(model)


def _is_self_attention(layer: nn.Module) -> bool:
    return isinstance(layer, Attention) and not layer.is_cross_attention


def _block(output: Tensor, layers: dict[str, int]) -> Block:
    channels, height, width = output.shape[1:]
    parts = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in layers.items() if n]
    return Block((channels, height, width), ", ".join(parts), layers["attention"])


def _last(block: Any) -> nn.Module:
    """The layer of a block whose output is looked at: the last one before it changes its sides."""
    return (getattr(block, "attentions", None) or block.resnets)[-1]
