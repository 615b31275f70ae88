"""Networks that take prompts: a U-Net and a text encoder that are trained together."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ddpm_core import CheckpointError
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.latent_parts import read_text
from ddpm_core.engines import from_diffusers
from ddpm_core.engines.latent import ClipText
from ddpm_core.engines.network import initialise
from train import TrainError
from train.common.config import Config
from train.fit.flags.limits import HEADS

if TYPE_CHECKING:
    from ddpm_core.engines.from_diffusers import UNet2DConditionModel

VOCABULARY = 6000  # largest number of tokens, which are single bytes and frequent pieces of words
_START, _END, _STOP = "<|startoftext|>", "<|endoftext|>", "</w>"
_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")  # CLIP's rule to split a text


class PromptedUNet(nn.Module):
    """A U-Net with a text encoder. unet: a UNet2DConditionModel. text: a CLIPTextModel.

    The text encoder's last hidden states are the condition of the U-Net.
    """

    ends = ("unet.conv_in.", "unet.conv_out.")

    def __init__(self, unet: UNet2DConditionModel, text: nn.Module):
        super().__init__()
        self.unet, self.text = unet, text

    def forward(
        self, x: Tensor, t_index: Tensor, class_labels: Tensor, return_dict: bool = False
    ) -> tuple[Tensor, ...]:
        """Return the U-Net's output, (N, C, H, W), in a tuple. class_labels: tokens, int64 (N, L), or their hidden
        states, (N, L, D).
        """
        states = class_labels
        if not states.is_floating_point():
            states = self.text(class_labels, return_dict=False)[0]
        return self.unet(x, t_index, states, return_dict=False)


def unet_of(network: nn.Module) -> Any:
    """Return the U-Net of a network, which may also have a text encoder."""
    return network.unet if isinstance(network, PromptedUNet) else network


def open_text(name: str, device: torch.device) -> ClipText:
    """Return the text encoder of --text with its tokenizer. Raises TrainError if it can't be loaded."""
    try:
        checkpoint = snapshots.fetch(refs.parse(name), spec.check)
        config = spec.read(checkpoint).text
        if config is None:
            raise TrainError(f"--text {name} takes no words: give a checkpoint with a text_encoder.")
        return read_text(config, checkpoint, device)
    except CheckpointError as error:
        raise TrainError(f"--text {name}: {error}.") from error


def check_same_text(text: ClipText, weights: Mapping[str, Tensor]) -> None:
    """Raise TrainError if a run was started with another text encoder. weights: those of the run's `PromptedUNet`."""
    before = {name.removeprefix("text."): value for name, value in weights.items() if name.startswith("text.")}
    now = text.encoder.state_dict()
    if before.keys() != now.keys() or not all(value.equal(now[name].to(value)) for name, value in before.items()):
        raise TrainError("This run was started with another --text: the text encoder has other weights.")


def make_prompted(config: Config, channels: int, side: int, tokenizer: Any, text: Any = None) -> PromptedUNet:
    """Return a freshly initialised network for latents with these channels and this side.

    text: the text encoder of --text; None: a new one.
    """
    text = make_text(config, tokenizer) if text is None else text
    here = [side >> level in config.attention for level in range(len(config.widths))]
    unet: Any = from_diffusers.UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=config.widths,
        down_block_types=tuple("CrossAttnDownBlock2D" if attend else "DownBlock2D" for attend in here),
        up_block_types=tuple("CrossAttnUpBlock2D" if attend else "UpBlock2D" for attend in reversed(here)),
        layers_per_block=config.blocks,
        norm_num_groups=config.norm_groups,
        dropout=config.dropout,
        cross_attention_dim=text.config.hidden_size,
        attention_head_dim=HEADS,  # diffusers' name for the number of heads
        addition_embed_type="text",
        addition_embed_type_num_heads=HEADS,
    )
    initialise(unet)
    return PromptedUNet(unet, text)


def make_text(config: Config, tokenizer: Any) -> Any:
    """Return a freshly initialised text encoder like CLIP's."""
    from transformers import CLIPTextConfig, CLIPTextModel

    text: Any = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.text_width,
            intermediate_size=4 * config.text_width,
            num_hidden_layers=config.text_layers,
            num_attention_heads=HEADS,
            max_position_embeddings=config.text_length,
            projection_dim=config.text_width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    nn.init.normal_(text.get_input_embeddings().weight, std=0.05)
    return text


def learn_words(captions: Sequence[str], before: str | None = None) -> str:
    """Return a vocabulary for captions as JSON, {"vocab": ..., "merges": ...}. It is a byte-pair encoding like CLIP's.

    The same captions always give the same vocabulary. (The trainer of the package tokenizers numbers tokens differently
    each time.) before: a vocabulary to extend; its tokens keep their numbers, and its words keep their tokens. Raises
    TrainError if the package tokenizers is missing.
    """
    try:
        from tokenizers.pre_tokenizers import ByteLevel
    except ImportError as error:
        raise TrainError("--captions needs one more package: pip install transformers.") from error
    letters = sorted(ByteLevel.alphabet())
    spell = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    times = Counter(word for caption in captions for word in _WORD.findall(caption.lower()))
    spelled: dict[str, tuple[str, ...]] = {
        word: (*(text := spell(word)[0][0])[:-1], f"{text[-1]}{_STOP}") for word in sorted(times)
    }
    counts: Counter[tuple[str, str]] = Counter()  # how often a pair of tokens occurs in the captions
    users: dict[tuple[str, str], set[str]] = defaultdict(set)  # the words that contain each pair

    def count(word: str, n: int) -> None:
        """Add n to the counts of the pairs in a word."""
        for pair in pairwise(spelled[word]):
            counts[pair] += n
            if n > 0:
                users[pair].add(word)
            elif not counts[pair]:
                del counts[pair]

    for word, n in times.items():
        count(word, n)

    def merge(pair: tuple[str, str]) -> None:
        """Join a pair to one token in all words."""
        for word in sorted(users.pop(pair, ())):
            count(word, -times[word])
            spelled[word] = _merged(spelled[word], pair)
            count(word, times[word])

    known = {"vocab": {}, "merges": []} if before is None else json.loads(before)
    merges = [tuple(pair) for pair in known["merges"]]
    for pair in merges:
        merge(pair)
    while counts and len(merges) < VOCABULARY - 2 * len(letters) - 2:
        merges.append(max(counts, key=lambda pair: (counts[pair], pair)))
        merge(merges[-1])
    made = [*letters, *(letter + _STOP for letter in letters), *map("".join, merges), _START, _END]
    tokens = dict.fromkeys([*known["vocab"], *made])
    return json.dumps({"vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges})


def _merged(tokens: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """Return the tokens with every occurrence of a pair joined to one token."""
    found: list[str] = []
    i = 0
    while i < len(tokens):
        together = tuple(tokens[i : i + 2]) == pair
        found.append("".join(pair) if together else tokens[i])
        i += 2 if together else 1
    return tuple(found)


def make_tokenizer(words: str, length: int) -> Any:
    """Return transformers' CLIPTokenizer with the vocabulary of `learn_words`. length: tokens of a prompt."""
    from transformers import CLIPTokenizer

    found = json.loads(words)
    merges: Any = [tuple(pair) for pair in found["merges"]]  # Any, because CLIPTokenizer's annotation is wrong
    return CLIPTokenizer(vocab=found["vocab"], merges=merges, model_max_length=length)


def text_of(tokenizer: Any, network: PromptedUNet, device: torch.device) -> ClipText:
    """Return a copy of a network's text encoder. It computes in float32, whatever the network's precision."""
    return ClipText(tokenizer, copy.deepcopy(network.text), device)
