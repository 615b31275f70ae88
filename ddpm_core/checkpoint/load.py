"""Load a model from a checkpoint in the Hub's layout."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.latent_parts import read_decoder, read_text
from ddpm_core.checkpoint.weights import build_network, check_evaluation
from ddpm_core.coordinates import inner
from ddpm_core.engines.choose import wrap, wrap_decoder
from ddpm_core.model import Model, Network, other_weights
from ddpm_core.names import Engine, Precision
from ddpm_core.prediction import network_device


@torch.inference_mode(False)  # weights that were made in inference mode never allow gradients
def load(
    ref: str | Path | refs.Ref,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: Engine = "auto",
    progress: snapshots.Progress | None = None,
    network: Network | None = None,
    batched: bool = False,
) -> Model:
    """Return the model of a checkpoint.

    Arguments:
        ref: an embedded name, a local folder, or a Hub id "owner/name" with an optional "@revision".
        revision: the Hub's branch, tag or commit; None for its main branch.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; see engines.choose.wrap.
        precision: the network's arithmetic, one of names.PRECISIONS.
        engine: the engine that evaluates the network, one of names.ENGINES.
        progress: progress(bytes done, bytes in all) is called during a download. An exception that it raises cancels
            the download and is passed on unchanged.
        network: your own network instead of the checkpoint's: see Model. `load` reads everything else: schedule,
            prediction, classes, Γ, optimised steps, decoder and text encoder. A folder that `save` wrote for a model
            with your own network needs this argument. device, precision, engine and batched are only for the
            checkpoint's network: leave them out.
        batched: for PyTorch on a CPU: evaluate several small images together, which is faster. Then the last bits of a
            picture may depend on the other pictures of its batch. Other engines do not need this.

    Raises:
        CheckpointError: if the checkpoint can't be loaded; the text is one sentence for the user.
        ValueError: for an unknown device, precision or engine, and for a network that can't be called.
    """
    where = refs.parse(ref, revision)
    own = spec.read_own(where)
    if network is not None:
        if not callable(network):
            raise ValueError(f"a network is a function or a module (x, t_index, labels), got {network!r}")
        if (device, precision, engine, batched) != ("auto", "auto", "auto", False):
            raise ValueError("your own network is evaluated as it is: leave out device, precision, engine and batched")
    if own is not None:
        if network is None:
            raise refs.CheckpointError(
                f"{where} holds everything except your own network: give it as load({where.name!r}, network=...)"
            )
        return Model(**vars(own), network=network)
    checkpoint = snapshots.fetch(where, spec.check, progress)
    found, layout = spec.read(checkpoint), checkpoint.layout
    if layout.unknown:
        missing = " and ".join(layout.unknown) + (" is" if len(layout.unknown) == 1 else " are")
        warnings.warn(
            f"{checkpoint.ref}: {missing} not in the local cache, and the Hub could not be reached", stacklevel=2
        )
    engine_network, source = None, found.spec.source
    assert source is not None
    if network is None:
        weights = f"{checkpoint.ref}: {layout.weights}"
        T = found.spec.trained_on.T
        takes_sigma = inner(found.spec.coordinates) is not None  # explained at engines.common.takes_sigma
        build = partial(build_network, found.unet, checkpoint.weights, weights, None if takes_sigma else T)
        unet: Any = build()
        unet.takes_sigma = takes_sigma
        check_evaluation(unet, found.spec.image_size, T, weights)
        source = replace(source, parameters=sum(p.numel() for p in unet.parameters()))
        network = engine_network = wrap(unet, device, precision, engine, owned=True, exact=build, batched=batched)
    else:  # a user's network: drop the facts about the checkpoint's weights
        source = other_weights(source)
    home = network_device(network) or torch.device("cpu")
    parts: dict[str, Any] = {}
    if found.decoder is not None and layout.decoder:
        path = layout.decoder[1]
        decoder = read_decoder(found.decoder, checkpoint.file(path), f"{checkpoint.ref}: {path}", home)
        if engine_network is not None:
            wrap_decoder(decoder, engine_network, found.spec.image_size)
        parts["decoder"] = decoder
    if found.text is not None:
        parts["text"] = read_text(found.text, checkpoint, home)
    return Model(**{**vars(found.spec), "source": source}, network=network, **parts)
