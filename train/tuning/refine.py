"""Refine optimised time steps by how real their pictures look: by the distance between features of pictures and data.

With few steps, the pictures that are nearest to a teacher's are not the best pictures: a chain may leave out details
that no teacher would (docs/log.md has numbers). Watson et al. 2022 ("Learning Fast Samplers for Diffusion Models by
Differentiating Through Sample Quality") lower the kernel distance by its gradient. Here one time after another is
moved, and a move is kept if the distance falls. This needs no gradient of the chain, and few images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ddpm_core import Model, NoiseSchedule, sample
from ddpm_core.few_steps.optimised import Times, moves
from ddpm_core.names import Sampler
from train.evaluate.features import Extractor, Reference, score
from train.evaluate.metrics import ScoreName

REACHES = (1 / 3, 1 / 6)  # a time moves by these shares of the way to its neighbour, the larger share first
SEEDS_FROM = 10**6  # first seed of the pictures; evaluations use smaller seeds, and so other pictures
BATCH = 100


class Judge:
    """The distance between the features of a chain's pictures and those of data; smaller is better.

    metric: "kid", the kernel distance × 1000, or "fid", the Fréchet distance.
    images: how many pictures are drawn. Every chain gets the same seeds, so that two chains can be compared although
        the distance itself is noisy. A class-conditional model draws all classes in turn.
    report: a function that receives the number of evaluations of the network.
    """

    def __init__(
        self,
        model: Model,
        extractor: Extractor,
        data: Reference,
        metric: ScoreName,
        images: int,
        report: Callable[[int], object],
    ):
        self._model, self._extractor, self._data, self._report = model, extractor, data, report
        self._metric: ScoreName = metric
        self._seeds = range(SEEDS_FROM, SEEDS_FROM + images)
        self._known: dict[tuple[Sampler, Times], float] = {}

    def __call__(self, sampler: Sampler, chain: Times) -> float:
        """Return the distance of a chain, which is computed only at the first call."""
        if (sampler, chain) not in self._known:
            self._known[sampler, chain] = self._distance(sampler, chain)
        return self._known[sampler, chain]

    def _distance(self, sampler: Sampler, chain: Times) -> float:
        """Draw a chain's pictures, and return their distance."""
        model, parts = replace(self._model, optimised={sampler: {len(chain): chain}}), []
        for i in range(0, len(self._seeds), BATCH):
            seeds = self._seeds[i : i + BATCH]
            labels = [seed % model.num_classes for seed in seeds] if model.num_classes else None
            images = sample(model, seeds, len(chain), sampler=sampler, spacing="optimised", labels=labels)
            parts.append(self._extractor(images)["features"])
            self._report(len(seeds) * len(chain))
        return score(self._metric, {"features": np.concatenate(parts)}, self._data)["value"]


def refine(
    distance: Callable[[Sampler, Times], float], schedule: NoiseSchedule, sampler: Sampler, chains: Sequence[Times]
) -> tuple[Times, float]:
    """Return the best chain that was found, and its distance.

    The search begins with the best of `chains`, which all have n steps. It moves one time after another, and keeps a
    move if the distance falls.
    """
    least, best = min((distance(sampler, chain), chain) for chain in chains)
    for reach in REACHES:
        for i in range(len(best)):
            for moved in moves(schedule, best, i, reach):
                if (found := distance(sampler, moved)) < least:
                    least, best = found, moved
    return best, least


def most_chains(n: int, starts: int) -> int:
    """Return the largest number of chains of n steps that `refine` tries, if it starts from `starts` chains."""
    return starts + 2 * n * len(REACHES)
