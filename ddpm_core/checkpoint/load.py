"""`load`: a checkpoint in the Hub's layout as a model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.latent_parts import read_decoder, read_text
from ddpm_core.checkpoint.weights import build_network, check_evaluation
from ddpm_core.engines.choose import wrap, wrap_decoder
from ddpm_core.model import Model
from ddpm_core.names import Engine, Precision


def load(
    ref: str | Path | refs.Ref,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    engine: Engine = "auto",
    progress: snapshots.Progress | None = None,
) -> Model:
    """Load a checkpoint.

    Arguments:
        ref: an embedded name, a local folder, or a Hub id "owner/name" with an optional "@revision".
        revision: the Hub's branch, tag or commit; None for its main branch.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; see engines.choose.wrap.
        precision: one of names.PRECISIONS, of the network's arithmetic.
        engine: one of names.ENGINES, what evaluates the network.
        progress: progress(bytes done, bytes in all) reports a download; what it raises cancels the download and comes
            out unchanged.

    Raises:
        CheckpointError: whose text is one sentence for the user, for what can't be loaded.
        ValueError: for a device, precision or engine that does not exist.
    """
    checkpoint = snapshots.fetch(refs.parse(ref, revision), spec.check, progress)
    found, layout = spec.read(checkpoint), checkpoint.layout
    if layout.unknown:
        missing = " and ".join(layout.unknown) + (" is" if len(layout.unknown) == 1 else " are")
        warnings.warn(
            f"{checkpoint.ref}: {missing} not in the local cache, and the Hub could not be reached", stacklevel=2
        )
    where = f"{checkpoint.ref}: {layout.weights}"
    build = partial(build_network, found.unet, checkpoint.weights, where)
    unet: Any = build()
    unet.told_numbers = found.spec.coordinates is not None  # see engines.common
    check_evaluation(unet, found.spec.image_size, found.spec.schedule.T, where)
    parameters = sum(p.numel() for p in unet.parameters())
    source = found.spec.source and replace(found.spec.source, parameters=parameters)
    network = wrap(unet, device, precision, engine, owned=True, exact=build)
    parts: dict[str, Any] = {}
    if found.decoder is not None and layout.decoder:
        path = layout.decoder[1]
        decoder = read_decoder(found.decoder, checkpoint.folder / path, f"{checkpoint.ref}: {path}", network.device)
        wrap_decoder(decoder, network, found.spec.image_size)
        parts["decoder"] = decoder
    if found.text is not None:
        parts["text"] = read_text(found.text, checkpoint, network.device)
    return Model(**{**vars(found.spec), "source": source}, network=network, **parts)
