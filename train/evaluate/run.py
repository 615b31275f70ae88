"""`python -m train evaluate`: scores of a checkpoint by steps, variance and sampler, its bits/dim, rate and distortion.

Everything is computed in parts, each with a file that is whole or absent. So a study that was killed goes on where it
stopped, with the same numbers. The parts are batches of images for a cell (one sampler, variance, spacing and number of
steps), and batches of test images for likelihoods. Features are kept until their cell is scored; images are kept only
with --keep-images.
"""

from __future__ import annotations

from typing import Any

from accelerate import PartialState
from tqdm import tqdm

from ddpm_core import Model
from ddpm_core.commands.chain import open_checkpoint
from ddpm_core.model import ModelSpec
from train import TrainError
from train.common.command_line import user_path
from train.common.files import check_folder
from train.common.lock import locked
from train.common.machine import on_cpu
from train.evaluate.bits import Bits, BoundChain, plan_chains
from train.evaluate.cells import Cell, Cells, plan_cells
from train.evaluate.features import same_probe
from train.evaluate.options import Options
from train.evaluate.report import write_report
from train.evaluate.results import StudyFile, read_bits, read_cells, read_study
from train.evaluate.study import Study


def run(options: Options) -> None:
    """Compute everything that the study's folder lacks. Raises TrainError or ValueError, before sampling, for bad
    options.

    Also raises TrainError if another command is writing in the folder.
    """
    process = PartialState(cpu=on_cpu(options.where.device))
    if process.num_processes > 1 and options.where.device == "auto":
        options.where.device = str(process.device)
    options.check_numbers()
    check_folder(user_path(options.out), "out")
    metrics = options.metric_list()

    def planned(model: Model) -> tuple[Study, list[BoundChain], list[Cell]]:
        """Return the study of a model, with its chains and cells."""
        study = Study(options, model, process)
        return study, plan_chains(study, metrics), plan_cells(study)

    def check(spec: ModelSpec) -> None:
        """Check the options for a model before its weights are loaded."""
        if not spec.takes_words:  # a model that takes prompts can't be planned without its text encoder
            planned(Model(**vars(spec), network=lambda x, *_: x))

    study, chains, cells = planned(open_checkpoint(options.checkpoint, options.where, check))
    with locked(study.out):
        before = read_study(study.out)
        # The report needs these files, so a damaged file raises an error before any work.
        read_cells(study.out)
        read_bits(study.out)
        bits = [Bits(study, chains)] if chains or "flow-bpd" in metrics else []
        scored = [Cells(study, cells)] if cells else []
        _write_study(study, [*scored, *bits], before)
        measure(study, [*scored, *bits])


def measure(study: Study, parts: list[Cells | Bits]) -> None:
    """Sample, score and evaluate what the folder lacks. Then write tables and plots."""
    with tqdm(
        total=sum(part.evaluations() for part in parts),
        unit="evaluation",  # one evaluation of the network for one image
        unit_scale=True,
        smoothing=0.05,
        disable=study.quiet,
    ) as study.bar:
        for part in parts:
            part.run()
        if study.process.is_main_process:
            study.bar.set_description("tables and plots")
            study.record()
            write_report(study.out)


def _write_study(study: Study, parts: list[Cells | Bits], before: StudyFile | None) -> None:
    """Write study.json. Raises TrainError if `before`, the study in the folder, is a different study."""
    old: dict[str, Any] = dict(before["identity"]) if before else {}
    new = study.identity()
    for part in parts:
        new |= part.identity
    other = [name for name, value in new.items() if name in old and not _agree(name, old[name], value)]
    if other:
        raise TrainError(f"{study.options.out} holds a study with another {', '.join(other)}: choose another --out.")
    study.describe(
        identity=new | old,
        data=(before["data"] if before else "") or parts[0].data,
        earlier_runs=list(before["runs"]) if before else [],
    )
    if study.process.is_main_process:
        study.record()


def _agree(name: str, old: Any, new: Any) -> bool:
    """Return whether two studies agree in the entry `name` of their identities. old, new: the entry's two values."""
    return same_probe(old, new) if name == "extractor_outputs" else old == new
