"""What a checkpoint's files say of its model, read without building the network, and how to write them.

config.json is the network's (unet_config), scheduler_config.json diffusers' (schedule, prediction, variance, clipping),
model_index.json names the pipeline, and ddpm_core.json keeps what the Hub's layout has no field for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ddpm_core.checkpoint import gamma_file, optimised_file, unet_config
from ddpm_core.checkpoint.fields import (
    LIMITS,
    choice,
    flag,
    is_whole,
    names,
    number,
    numbers,
    read_json,
    shown,
    text,
    whole,
)
from ddpm_core.checkpoint.refs import OWN, CheckpointError, LocalCheckpoint, Ref, shipped
from ddpm_core.model import ModelSpec, Source
from ddpm_core.names import (
    AVERAGINGS,
    DISTILLATIONS,
    LEARNED,
    PREDICTIONS,
    Averaging,
    OwnVariance,
    Prediction,
    Variance,
)
from ddpm_core.schedule import NoiseSchedule
from ddpm_core.student import Student

# Google's repositories whose weights are not the moving average, though their names do not say so.
NOT_EMA = ("google/ddpm-cifar10-32", "google/ddpm-cat-256", "google/ddpm-bedroom-256", "google/ddpm-church-256")

# diffusers' names: ours
_PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "sample": "x0", "v_prediction": "v", "mu": "mu"}
_VARIANCES: dict[str, OwnVariance] = {
    "fixed_small": "beta_tilde",
    "fixed_small_log": "beta_tilde",
    "fixed_large": "beta",
    "fixed_large_log": "beta",
    "learned": "learned",
    "learned_range": "learned_range",
}


@dataclass(frozen=True)
class CheckpointConfig:
    """unet: the configuration of the UNet2DModel. spec: all that is known of the model without its network."""

    unet: dict[str, Any]
    spec: ModelSpec


def check(checkpoint: LocalCheckpoint) -> dict[str, Any]:
    """The network's configuration, from JSON files that a model can be made of. Needs no weights.

    Raises CheckpointError.
    """
    return _read_json_files(checkpoint)[0].unet


def read(checkpoint: LocalCheckpoint) -> CheckpointConfig:
    """What the files say of a checkpoint's model, with its source, Γ and optimised steps.

    Raises CheckpointError, whose text is one sentence for the user, for files that no model can be made of.
    """
    config, weights = _read_json_files(checkpoint)
    ref, spec = checkpoint.ref, config.spec
    source = Source(
        ref=str(ref),
        name=checkpoint.folder.resolve().name if ref.kind == "folder" else ref.name,
        revision=checkpoint.commit,
        weights=_published_weights(ref) if weights == "unknown" else weights,
        file=checkpoint.layout.weights,
        bytes=checkpoint.weights.stat().st_size,
        folder=checkpoint.folder,
        fixed=checkpoint.commit is not None or shipped(ref) is not None,
    )
    gamma, optimised = (kept.read(source, spec.schedule) for kept in (gamma_file, optimised_file))
    return replace(config, spec=replace(spec, source=source, gamma=gamma, optimised=optimised))


def _read_json_files(checkpoint: LocalCheckpoint) -> tuple[CheckpointConfig, Averaging]:
    """What the JSON files alone say, and whether they say that the weights are the moving average."""
    folder, layout = checkpoint.folder, checkpoint.layout
    try:
        index, own = (read_json(folder / name) if name in layout.extra else {} for name in ("model_index.json", OWN))
        unet, scheduler = read_json(folder / layout.config), read_json(folder / layout.scheduler)
        config, weights = _from_contents(unet, scheduler, index, own)
        if OWN in layout.unknown and unet.get("num_class_embeds"):
            raise ValueError(
                f"{OWN}, which describes this network's classes, is not in the local cache, and the Hub cannot be "
                "reached: connect to the internet once to download it"
            )
        return config, weights
    except (ValueError, TypeError, RuntimeError) as error:  # torch's, of odd numbers, can have many lines
        raise CheckpointError(f"{checkpoint.ref}: {str(error).splitlines()[0]}") from None


def _from_contents(unet: dict, scheduler: dict, index: dict, own: dict) -> tuple[CheckpointConfig, Averaging]:
    """The same from the files' contents; ValueError for what no model can be made of."""
    _check_kind(unet, index)
    size, channels = unet_config.check(unet)
    fields = _from_scheduler(scheduler)
    if "prediction" in own:
        fields["prediction"] = choice(own, "prediction", PREDICTIONS)
    _check_channels(unet, channels, fields["variance"])
    _check_times(unet, fields["schedule"].T)
    fields |= _classes(unet, own)
    fields["student"] = _student(own)
    weights = choice(own, "weights", AVERAGINGS, "unknown")
    return CheckpointConfig(unet, ModelSpec(image_size=size, channels=channels, **fields)), weights


def _published_weights(ref: Ref) -> Averaging:
    """Whether a repository whose files do not say so holds the moving average of the weights."""
    if ref.kind != "hub":
        return "unknown"
    return "EMA" if "-ema-" in ref.name else "not EMA" if ref.name in NOT_EMA else "unknown"


def json_files(model: ModelSpec, unet: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The JSON files, but for config.json, that `read` turns back into this specification.

    unet: the content of config.json. Raises ValueError for what `read` would refuse.
    """
    from ddpm_core import from_diffusers  # seconds, which reading a checkpoint's JSON need not take

    version = {"_diffusers_version": from_diffusers.__version__}
    theirs = {ours: name for name, ours in _PREDICTIONS.items()}
    scheduler = {
        "_class_name": "DDPMScheduler",
        **version,
        **model.schedule.config,
        "prediction_type": theirs[model.prediction],  # diffusers refuses to step with "mu", better than misreading it
        "variance_type": {"beta": "fixed_large", "beta_tilde": "fixed_small"}.get(model.variance, model.variance),
        "clip_sample": model.clip,
    }
    index = {
        "_class_name": "DDPMPipeline",
        **version,
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }
    own: dict[str, Any] = {"weights": model.source.weights if model.source else "unknown"}
    if model.prediction == "mu":
        own["prediction"] = "mu"
    if model.null_label is not None:
        own["null_label"] = model.null_label
    if model.class_names is not None:
        own["class_names"] = list(model.class_names)
    if model.student is not None:
        own["student"] = {**asdict(model.student), "times": list(model.student.times)}
    _from_contents(unet, scheduler, index, own)
    return {"scheduler_config.json": scheduler, "model_index.json": index, "ddpm_core.json": own}


def _check_kind(unet: dict, index: dict) -> None:
    kind = unet.get("_class_name")
    if kind != "UNet2DModel":
        raise ValueError(
            f"the network is a {_named(kind, 'model without a class name')}: only a UNet2DModel can be loaded"
        )
    others = [key for key, value in index.items() if isinstance(value, list) and key not in ("unet", "scheduler")]
    if others:
        pipeline, parts = _named(index.get("_class_name"), "a pipeline"), ", ".join(others[:5])
        raise ValueError(f"{pipeline} also needs {parts}: only pixel models (one UNet2DModel) can be loaded")


def _named(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) and 0 < len(value) < 100 else otherwise


def _from_scheduler(scheduler: dict) -> dict[str, Any]:
    """Schedule, prediction, variance and clip, as fields of ModelSpec."""
    if "beta_schedule" not in scheduler and scheduler.get("trained_betas") is None:
        kind = _named(scheduler.get("_class_name"), "the scheduler")
        raise ValueError(f"{kind} is not a DDPM or DDIM scheduler: scheduler_config.json has no beta_schedule")
    if scheduler.get("trained_betas") is not None:
        numbers(scheduler, "trained_betas", int(LIMITS["num_train_timesteps"][1]))
    whole(scheduler, "num_train_timesteps", 1000)
    for key, default in (("beta_start", 1e-4), ("beta_end", 0.02)):
        number(scheduler, key, default)
    flag(scheduler, "rescale_betas_zero_snr", False)
    # the prediction's name before diffusers 0.8
    default = "epsilon" if flag(scheduler, "predict_epsilon", True) else "sample"
    return {
        "schedule": NoiseSchedule.from_config(scheduler),
        "prediction": _PREDICTIONS[choice(scheduler, "prediction_type", _PREDICTIONS, default)],
        # null is that of DPMSolver and SASolver, for networks without a variance of their own
        "variance": _VARIANCES[choice(scheduler, "variance_type", (*_VARIANCES, None)) or "fixed_small"],
        "clip": _clip(scheduler),
    }


def _clip(scheduler: dict) -> bool:
    """Whether x̂_0 is clipped to [−1, 1]; ValueError for a checkpoint that wants something else done to it."""
    if flag(scheduler, "thresholding", False):
        raise ValueError("thresholding (of x̂_0 at a quantile) is not supported: it must be false")
    clip, reach = flag(scheduler, "clip_sample", True), number(scheduler, "clip_sample_range", 1.0)
    if clip and reach != 1:
        raise ValueError(f"clip_sample_range is {reach}: only 1, or clip_sample false, is supported")
    return clip


def _check_channels(unet: dict, channels: int, variance: Variance) -> None:
    expected = channels * (2 if variance in LEARNED else 1)
    if unet.get("out_channels", 3) != expected:
        raise ValueError(
            f"the network gives {unet.get('out_channels', 3)} channels, but {channels} image channels with variance "
            f"{variance} need {expected}"
        )


def _check_times(unet: dict, T: int) -> None:
    """A learned time embedding has one row for each time."""
    rows = unet.get("num_train_timesteps")
    if unet.get("time_embedding_type") == "learned" and (rows is None or rows < T):
        raise ValueError(f"the schedule has {T} times, but config.json's num_train_timesteps is {shown(rows)}")


def _classes(unet: dict, own: dict) -> dict[str, Any]:
    """num_classes, null_label and class_names, as fields of ModelSpec.

    Without ddpm_core.json every class embedding is a class, and none means "no label".
    """
    embeddings = unet.get("num_class_embeds") or 0
    null = own.get("null_label")
    classes = embeddings if null is None else embeddings - 1
    if null is not None and (embeddings < 2 or not is_whole(null) or null != classes):
        raise ValueError(f"null_label must be the last of the {embeddings} class embeddings, got {shown(null)}")
    named = own.get("class_names")
    if named is not None:
        named = tuple(names(own, "class_names"))
        if len(named) != classes:
            raise ValueError(f"class_names must be a list of {classes} names, got {shown(list(named))}")
    return {"num_classes": classes, "null_label": null, "class_names": named}


def _student(own: dict) -> Student | None:
    """What a distilled model was made for, as ddpm_core.json has it."""
    found = own.get("student")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ValueError(f"student must be a JSON object, got {shown(found)}")
    return Student(
        method=choice(found, "method", DISTILLATIONS),
        times=tuple(numbers(found, "times", int(LIMITS["times"][1]), only_whole=True)),
        teacher=text(found, "teacher"),
        guidance=None if found.get("guidance") is None else number(found, "guidance"),
        finished=flag(found, "finished", True),
    )
