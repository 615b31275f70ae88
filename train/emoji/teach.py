"""Teach a model of emoji what keywords mean: `python -m train.emoji.teach NODE_MODULES MODEL OUT`.

Only the embeddings of words that are part of no name are trained, as in textual inversion (Gal et al. 2022). They are
not trained on pictures, but on the names for which the words stand: "puppy" should have the same effect in the U-Net as
"dog face". All other weights stay, so prompts without these words draw exactly the same pictures.
"""

from __future__ import annotations

import copy
import json
import random
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange

from ddpm_core import Model, load, sample, save
from ddpm_core.commands.reading import read
from ddpm_core.engines.latent import ClipText
from ddpm_core.errors import UserError
from train import TrainError
from train.common.command_line import check_range
from train.emoji.colours import COLOURS
from train.emoji.sets import STYLES, meanings, read_concepts
from train.fit.inputs.words import learn_words, make_tokenizer

_PROBES = 32  # number of places in pictures at which each layer is observed
_LENGTH = 12  # number of a caption's tokens that are used; the rest is padding


@dataclass
class Options:
    """Teach a model that was trained on emoji the keywords of Unicode's CLDR, and change nothing else in it."""

    node_modules: Annotated[Path, tyro.conf.Positional]
    """the folder where npm has installed the emoji"""
    model: Annotated[str, tyro.conf.Positional]
    """checkpoint: embedded name, folder or Hub id"""
    out: Annotated[Path, tyro.conf.Positional]
    """folder of the new checkpoint"""
    steps: int = 240
    """optimiser steps"""
    batch: int = 48
    """captions of a step"""
    lr: float = 0.004
    """first learning rate of Adam; it falls along a line to 0"""
    seed: int = 0
    """seed of the captions and of their order"""


def caption(name: str, names: Sequence[str], rng: random.Random) -> str:
    """Return a caption of an emoji, with "%s" in the place of its name. Half of the captions are the name alone.

    names: the other emoji that a caption may also show.
    """
    colour, other, style = rng.choice(list(COLOURS)), rng.choice(names), rng.choice(list(STYLES))
    more = (f"{colour} %s", f"{style} %s", f"%s on a {colour} background", f"%s and {other}", f"{other} with %s")
    return rng.choice(["%s", rng.choice([*more, f"{name} %s"])])


def extend_vocabulary(text: ClipText, words: Sequence[str]) -> ClipText:
    """Return a text encoder whose vocabulary also has these words. The tokens of all other words stay."""
    known = json.loads(text.tokenizer.backend_tokenizer.to_str())["model"]
    vocabulary = dict(sorted(known["vocab"].items(), key=lambda one: one[1]))
    more = learn_words(words, json.dumps({"vocab": vocabulary, "merges": known["merges"]}))
    tokenizer = make_tokenizer(more, text.length)
    encoder: Any = copy.deepcopy(text.encoder)
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    # The embeddings of new tokens start at 0, also those of pieces of words.
    encoder.get_input_embeddings().weight[len(text.tokenizer) :] = 0
    return ClipText(tokenizer, encoder, text.device)


def observe_attention(model: Model, prompts: Sequence[str]) -> Callable[[Tensor], list[Tensor]]:
    """Return a function of hidden states (N, L, D) that computes their effect in the U-Net: the outputs of all
    cross-attention layers, and the term that is added to the embedding of t.

    The other inputs of the layers are recorded here, while the U-Net draws the prompts.
    """
    unet: Any = model.network.unet  # type: ignore[attr-defined]
    layers = [module for name, module in unet.named_modules() if name.endswith("attn2")]
    asked: list[list[Tensor]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, here=here: here.append(inputs[0].flatten(0, 1)))
        for layer, here in zip(layers, asked, strict=True)
    ]
    sample(model, range(len(prompts)), 4, prompts=prompts, sampler="ddim", spacing="trailing", guidance=3.0)
    for hook in hooks:
        hook.remove()
    generator = torch.Generator().manual_seed(0)
    probes = [torch.cat(here)[torch.randperm(sum(map(len, here)), generator=generator)[:_PROBES]] for here in asked]

    def effect(states: Tensor) -> list[Tensor]:
        """Return the effect of hidden states, one tensor for each layer."""
        asking = [probe.expand(len(states), -1, -1) for probe in probes]
        found = [layer(x, encoder_hidden_states=states) for layer, x in zip(layers, asking, strict=True)]
        return [*found, unet.add_embedding(states)]

    return effect


def teach(model: Model, meant: Mapping[str, str], names: Sequence[str], options: Options) -> Model:
    """Return the model with trained embeddings of new words. meant: {word: the name that it should mean}."""
    assert isinstance(model.text, ClipText)
    rng = random.Random(options.seed)
    effect = observe_attention(model, rng.sample(list(names), min(8, len(names))))
    text = extend_vocabulary(model.text, list(meant))
    encoder: Any = text.encoder
    weight = encoder.get_input_embeddings().weight
    taught, learning = torch.zeros(len(weight), 1), []
    for word, name in meant.items():
        (row,), own = (text.tokenizer(one, add_special_tokens=False)["input_ids"] for one in (word, name))
        with torch.no_grad():
            weight[row] = weight[own].mean(0)
        if len(own) > 1:  # if a name is one token, the word keeps a copy of the name's embedding
            taught[row] = 1
            learning.append(word)
    weight.requires_grad_()
    optimizer = torch.optim.Adam([weight], options.lr)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, options.steps)
    progress = trange(options.steps, desc="teaching", unit="step")
    for _ in progress:
        words = rng.choices(learning, k=options.batch)
        said = [caption(meant[word], names, rng) for word in words]
        with torch.no_grad():
            tokens = text.tokens([one % meant[word] for one, word in zip(said, words, strict=True)])
            wanted = effect(encoder(tokens[:, :_LENGTH], return_dict=False)[0])
        tokens = text.tokens([one % word for one, word in zip(said, words, strict=True)])
        found = effect(encoder(tokens[:, :_LENGTH], return_dict=False)[0])
        losses = [F.mse_loss(a, b) / b.var() for a, b in zip(found, wanted, strict=True)]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        weight.grad *= taught
        optimizer.step()
        decay.step()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    weight.requires_grad_(False)
    return replace(model, text=text)


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status."""
    try:
        options = read(Options, arguments, "python -m train.emoji.teach")
        check_range(options, {"steps": (1, 10**6), "batch": (1, 10**4), "lr": (0, 1), "seed": (0, 2**62)})
        model = load(options.model, engine="torch", precision="fp32")
        if model.text is None:
            raise TrainError(f"{options.model} takes no words: give a model that was trained with --captions.")
        concepts = read_concepts(options.node_modules)
        names = [concept.name for concept in concepts]
        own = {word for name in names for word in re.split("[ ']", name)}  # splits names as the tokenizer does
        meant = {word: best for word, (best, *_) in meanings(concepts).items() if word not in own}
        save(teach(model, meant, names, options), options.out)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(meant):,} keywords: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
