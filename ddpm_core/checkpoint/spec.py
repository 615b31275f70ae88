"""Read a model's specification from a checkpoint's JSON files, without building the network, and write these files.

config.json describes the network (see unet_config). scheduler_config.json is diffusers' file with schedule, prediction,
variance and clipping. model_index.json names the pipeline. ddpm_core.json has the facts for which the Hub's layout has
no field.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ddpm_core.checkpoint.config import families, latent_config, transformer_config, unet_config
from ddpm_core.checkpoint.config.fields import (
    LIMITS,
    MAX_TABLE,
    choice,
    flag,
    is_whole,
    names,
    number,
    numbers,
    plain,
    read_json,
    shown,
    text,
    whole,
)
from ddpm_core.checkpoint.refs import FACTS, CheckpointError, LocalCheckpoint, Ref, holds_model, shipped
from ddpm_core.checkpoint.sidecars import gamma_file, optimised_file
from ddpm_core.coordinates import RectifiedFlow, TrainedOn, inner
from ddpm_core.errors import first_line
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

# Google's repositories whose weights are not the moving average, although their names don't say so.
NOT_EMA = ("google/ddpm-cifar10-32", "google/ddpm-cat-256", "google/ddpm-bedroom-256", "google/ddpm-church-256")

OWN = "own_network"  # field of ddpm_core.json that describes a user's own network, which `save` can't write

# {diffusers' name of a prediction: our name}.
_PREDICTIONS: dict[str, Prediction] = {
    **{"epsilon": "epsilon", "sample": "x0", "v_prediction": "v"},
    **{"mu": "mu", "flow": "flow"},  # diffusers does not know these names, and refuses a file with them
}
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
    """The content of a checkpoint's JSON files.

    Attributes:
        unet: the configuration of the network.
        spec: the model's specification.
        decoder, text: the configurations of a latent model's decoder and text encoder.
        whole_times: whether the network takes only whole times.
    """

    unet: dict[str, Any]
    spec: ModelSpec
    decoder: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    whole_times: bool = False


def check(checkpoint: LocalCheckpoint) -> CheckpointConfig:
    """Return the content of a checkpoint's JSON files. Its specification has no source, Γ or optimised steps.

    No weights are needed. Raise CheckpointError if the files don't describe a model that can be loaded.
    """
    return _read_json_files(checkpoint)[0]


def read(checkpoint: LocalCheckpoint) -> CheckpointConfig:
    """Return the content of a checkpoint's JSON files. Its specification has the source, Γ and optimised steps.

    Raise CheckpointError, whose text is one sentence for the user, if the files don't describe a model.
    """
    config, weights = _read_json_files(checkpoint)
    ref = checkpoint.ref
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
    return replace(config, spec=_with_sidecars(config.spec, source))


def read_own(ref: Ref) -> ModelSpec | None:
    """Read the specification of a model with a user's network from a folder of `save`. Return None for other folders.

    Raise CheckpointError as `read` does.
    """
    folder = ref.folder
    if folder is None or not (folder / FACTS).is_file() or holds_model(folder):
        return None
    try:
        own = read_json(folder / FACTS)
        if OWN not in own:
            return None
        spec = _own_from_contents(read_json(folder / "scheduler_config.json"), own)
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{ref}: {first_line(error)}") from None
    return _with_sidecars(spec, Source(str(ref), folder.resolve().name, folder=folder))


def _own_from_contents(scheduler: dict, own: dict) -> ModelSpec:
    """Return the specification of a model with a user's network, from the contents of its two JSON files.

    Raise ValueError if they don't describe a model.
    """
    network = own[OWN]
    if not isinstance(network, dict):
        raise ValueError(f"{OWN} must be a JSON object, got {shown(network)}")
    size, channels, classes = (whole(network, key) for key in ("image_size", "channels", "num_classes"))
    fields = _from_scheduler(scheduler, clip=True) | _from_facts(own, classes)
    if "coordinates" in network:
        fields["coordinates"] = families.read_coordinates(network["coordinates"])
    null = whole(own, "null_label", optional=True)
    spec = ModelSpec(image_size=size, channels=channels, num_classes=classes, null_label=null, **fields)
    return _on_its_schedule(spec, own)


def _with_sidecars(spec: ModelSpec, source: Source) -> ModelSpec:
    """Return the specification with its source, and with Γ and optimised steps from the files beside its weights."""
    gamma, optimised = (kept.read(source, spec.schedule) for kept in (gamma_file, optimised_file))
    return replace(spec, source=source, gamma=gamma, optimised=optimised)


def _read_json_files(checkpoint: LocalCheckpoint) -> tuple[CheckpointConfig, Averaging]:
    """Return the content of the JSON files, and whether the weights are the moving average."""
    ref, folder, layout = checkpoint.ref, checkpoint.folder, checkpoint.layout
    try:
        index, own = (read_json(folder / name) if name in layout.extra else {} for name in ("model_index.json", FACTS))
        unet, scheduler = read_json(folder / layout.config), read_json(folder / layout.scheduler)
        parts = [read_json(checkpoint.file(part[0])) if part else None for part in (layout.decoder, layout.text)]
        config, weights = _from_contents(unet, scheduler, index, own, *parts)
        if FACTS in layout.unknown and unet.get("num_class_embeds"):
            raise ValueError(
                f"{FACTS}, which describes this network's classes, is not in the local cache, and the Hub cannot be "
                "reached: connect to the internet once to download it"
            )
        if config.spec.coordinates is not None and "student" not in own:
            name = folder.resolve().name if ref.kind == "folder" else ref.name.partition("/")[2]
            student = families.with_published_times(config.spec.student, name)
            config = replace(config, spec=replace(config.spec, student=student))
        return config, weights
    except (ValueError, TypeError, RuntimeError) as error:  # torch's errors can have many lines
        raise CheckpointError(f"{ref}: {first_line(error)}") from None


def _from_contents(
    unet: dict, scheduler: dict, index: dict, own: dict, decoder: dict | None = None, text: dict | None = None
) -> tuple[CheckpointConfig, Averaging]:
    """Return the configuration from the contents of the JSON files, and whether the weights are the moving average.

    unet, decoder, text: each network's config.json. scheduler, index, own: scheduler_config.json, model_index.json and
    ddpm_core.json. Raise ValueError if they don't describe a model that can be loaded.
    """
    transformer = transformer_config.is_transformer(unet)
    unet = transformer_config.normal(unet) if transformer else unet
    _check_kind(unet, index, decoder is not None, text is not None)
    checked = transformer_config if transformer else unet_config if text is None else latent_config
    family = families.family_of(scheduler)
    if family is None:
        size, channels = checked.check(unet)
        fields = _from_scheduler(scheduler, clip=decoder is None)
        # diffusers' pipeline ignores the second half of the channels. This half is a learned variance.
        if transformer and unet.get("out_channels") == 2 * channels:
            fields["variance"] = "learned_range"
    else:
        if decoder is not None:
            raise ValueError(f"{family.pipeline} draws pixels, but this checkpoint also has an autoencoder")
        size, channels = unet_config.check(unet, (family.times,))
        fields = {"variance": "beta", **family.read(scheduler)}
    if decoder is not None:
        fields |= _latents(unet, channels, decoder, text) | {"leading_offset": whole(scheduler, "steps_offset", 0)}
    _check_channels(unet, channels, fields["variance"])
    _check_times(unet, fields["schedule"].T)
    fields |= _transformer_classes(unet) if transformer else _classes(unet, own)
    fields |= _from_facts(own, fields["num_classes"])
    if fields.get("prediction") == "flow" and "coordinates" in own:
        fields["coordinates"] = families.read_coordinates(own["coordinates"])
    if transformer:
        fields["class_names"] = _id2label(index, fields["num_classes"])
    weights = choice(own, "weights", AVERAGINGS, "unknown")
    whole_times = transformer or unet["_class_name"] == "OpenAIUNet" or unet.get("time_embedding_type") == "learned"
    spec = _on_its_schedule(ModelSpec(image_size=size, channels=channels, **fields), own, whole_times)
    return CheckpointConfig(unet, spec, decoder, text, whole_times), weights


def _latents(unet: dict, channels: int, decoder: dict, text: dict | None) -> dict[str, Any]:
    """Return the fields of ModelSpec that only latent models have.

    Raise ValueError if the decoder or the text encoder does not fit the network.
    """
    theirs, factor = latent_config.check_decoder(decoder)
    if theirs != channels:
        raise ValueError(f"the network draws {channels} channels, and the autoencoder's latents have {theirs}")
    if text is not None and latent_config.check_text(text) != unet.get("cross_attention_dim", 1280):
        raise ValueError(
            f"the text encoder gives {text.get('hidden_size', 512)} numbers a token, and the network takes "
            f"{unet.get('cross_attention_dim', 1280)}"
        )
    return {"latent": True, "factor": factor, "takes_words": text is not None}


def _published_weights(ref: Ref) -> Averaging:
    """Return whether the weights are the moving average, from the name of the repository."""
    if ref.kind != "hub":
        return "unknown"
    return "EMA" if "-ema-" in ref.name else "not EMA" if ref.name in NOT_EMA else "unknown"


def json_files(
    model: ModelSpec, unet: dict[str, Any], decoder: dict[str, Any] | None = None, text: dict[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Return {file name: content} of the JSON files from which `read` gives this specification again.

    The files config.json of the networks are not included. unet, decoder, text: the configurations of the networks.
    Raise ValueError for a model that `read` would refuse, or that these files can't describe.
    """
    asked, model = model, _as_trained(model)
    family = families.family_of(model.schedule.config)
    usual = RectifiedFlow if model.prediction == "flow" else type(None)
    if not isinstance(model.coordinates, usual if family is None else family.coordinates):
        raise ValueError("the Hub's layout has no place for a network in these coordinates with this schedule")
    scheduler, own = _scheduler_and_facts(model)
    own |= _other_schedule(asked)
    if model.prediction == "flow":
        assert model.coordinates is not None
        own["coordinates"] = plain(families.coordinates_json(model.coordinates))
    index = {
        "_class_name": "DDPMPipeline" if family is None else family.pipeline,
        "_diffusers_version": scheduler["_diffusers_version"],
        "scheduler": ["diffusers", scheduler["_class_name"]],
        "unet": ["diffusers", "UNet2DModel"],
    }
    transformer = transformer_config.is_transformer(unet)
    if decoder is None:
        if unet["_class_name"] == "OpenAIUNet":  # makes diffusers refuse instead of building a UNet2DModel
            index["unet"] = ["ddpm_core", "OpenAIUNet"]
        _check_kept(asked, _from_contents(unet, scheduler, index, own)[0].spec, f"a {index['_class_name']}")
        return {"scheduler_config.json": scheduler, "model_index.json": index, "ddpm_core.json": own}
    scheduler |= {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}
    scheduler["steps_offset"] = plain(model.leading_offset)
    if model.variance in ("beta_tilde", "learned_range" if transformer else ""):
        del scheduler["variance_type"]  # DDIMScheduler has no such field; `read` has this variance as default
    del index["unet"]
    home = "transformer" if transformer else "unet"
    index |= {"scheduler": ["diffusers", "DDIMScheduler"], home: ["diffusers", unet["_class_name"]]}
    autoencoder = ["diffusers", decoder["_class_name"]]
    if transformer:  # a DiTPipeline always has a null label, and its index has the names of the classes
        index |= {"_class_name": "DiTPipeline", "vae": autoencoder}
        index["id2label"] = model.class_names and {str(i): name for i, name in enumerate(model.class_names)}
        own = {name: value for name, value in own.items() if name not in ("null_label", "class_names")}
    elif text is None:
        index |= {"_class_name": "LDMPipeline", "vqvae": autoencoder}
    else:
        index |= {"_class_name": "StableDiffusionPipeline", "vae": autoencoder, "requires_safety_checker": False}
        index |= {"text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"]}
        index |= {part: [None, None] for part in ("feature_extractor", "image_encoder", "safety_checker")}
    _check_kept(asked, _from_contents(unet, scheduler, index, own, decoder, text)[0].spec, f"a {index['_class_name']}")
    return {"scheduler/scheduler_config.json": scheduler, "model_index.json": index, "ddpm_core.json": own}


def own_files(model: ModelSpec) -> dict[str, dict[str, Any]]:
    """Return {file name: content} of the JSON files from which `read_own` gives this specification again.

    Raise ValueError for a model that these files can't describe.
    """
    asked, model = model, _as_trained(model)
    if families.family_of(model.schedule.config):  # it also describes a network, so store only its β
        same = NoiseSchedule.from_betas(model.schedule.beta[1:])
        model = replace(model, schedule=NoiseSchedule(same.beta, {**same.config, "variance_exploding": True}))
    scheduler, own = _scheduler_and_facts(model)
    own |= _other_schedule(asked)
    network: dict[str, Any] = {"image_size": model.image_size, "channels": model.channels}
    network["num_classes"] = model.num_classes
    if model.coordinates is not None:
        network["coordinates"] = families.coordinates_json(model.coordinates)
    own[OWN] = plain(network)
    _check_kept(asked, _own_from_contents(scheduler, own), "the folder of a network of your own")
    return {"scheduler_config.json": scheduler, FACTS: own}


def _as_trained(model: ModelSpec) -> ModelSpec:
    """Return the model on the schedule of its training.

    `json_files` describes the model on this schedule, so that diffusers can use the files.
    """
    if not isinstance(model.coordinates, TrainedOn):
        return model
    more: dict[str, Any] = {"gamma": None, "optimised": None}
    return replace(model, schedule=model.trained_on, coordinates=inner(model.coordinates), **more)


def _other_schedule(model: ModelSpec) -> dict[str, Any]:
    """Return the entry of ddpm_core.json if a model's schedule is not the schedule of its training; else {}."""
    return {"schedule": plain(dict(model.schedule.config))} if isinstance(model.coordinates, TrainedOn) else {}


def _on_its_schedule(model: ModelSpec, own: dict, whole_times: bool = False) -> ModelSpec:
    """Return the model on the schedule in ddpm_core.json; unchanged if the file has no schedule.

    whole_times: whether the network takes only whole times. Then raise ValueError if the file has a schedule.
    """
    found = own.get("schedule")
    if found is None:
        return model
    if not isinstance(found, dict):
        raise ValueError(f"schedule must be a JSON object, got {shown(found)}")
    if whole_times:
        raise ValueError("on another schedule, a network gets fractions of t, but this network knows only whole ones")
    family = families.family_of(found)
    return model.with_schedule(_schedule(found) if family is None else family.read(found)["schedule"])


def _check_kept(model: ModelSpec, again: ModelSpec, place: str) -> None:
    """Raise ValueError if a model's files would lose a field of its specification.

    again: the specification that is read from the files. place: the name of the files for the message. Γ, the optimised
    steps and the source are not compared, because they are not in these files.
    """
    for name in (field.name for field in fields(ModelSpec)):
        given, read = (comparable(getattr(spec, name)) for spec in (model, again))
        if given != read and name not in ("source", "gamma", "optimised"):
            raise ValueError(f"{place} has no place for {name} {shown(getattr(model, name))}")


def comparable(value: Any) -> Any:
    """Return a field of a specification as a value that can be compared by ==."""
    if isinstance(value, NoiseSchedule):
        return value.beta.tolist(), value.exploding
    if isinstance(value, TrainedOn):
        return comparable(value.trained), value.inner
    if isinstance(value, Student):
        return {name: comparable(part) for name, part in asdict(value).items()}
    return tuple(value) if isinstance(value, list) else value


def _scheduler_and_facts(model: ModelSpec) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the contents of scheduler_config.json and ddpm_core.json."""
    # Imported here, because the import takes seconds, and reading a checkpoint does not need it.
    from ddpm_core.engines import from_diffusers

    scheduler = {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": from_diffusers.__version__,
        **model.schedule.config,
    }
    family = families.family_of(scheduler)
    if family is None:
        theirs = {ours: name for name, ours in _PREDICTIONS.items()}
        scheduler |= {
            "prediction_type": theirs[model.prediction],
            "variance_type": {"beta": "fixed_large", "beta_tilde": "fixed_small"}.get(model.variance, model.variance),
            "clip_sample": model.clip,
        }
    else:
        scheduler |= family.write(model)
    own: dict[str, Any] = {"weights": model.source.weights if model.source else "unknown"}
    if model.prediction in ("mu", "flow"):
        own["prediction"] = model.prediction
    if model.null_label is not None:
        own["null_label"] = model.null_label
    if model.class_names is not None:
        own["class_names"] = model.class_names
    if model.student is not None:
        own["student"] = asdict(model.student)
        if not model.student.usual:
            del own["student"]["usual"]
    if model.snr is not None and family is None:
        own["snr"] = model.snr
    if model.corrections != 1 and family is None:
        own["corrections"] = model.corrections
    return plain(scheduler), plain(own)


def _check_kind(unet: dict, index: dict, decoder: bool, text: bool) -> None:
    """Raise ValueError unless the network's class fits the other parts, and the pipeline needs no further parts."""
    kind = unet.get("_class_name")
    expected = "UNet2DConditionModel" if text else "UNet2DModel"
    if kind == transformer_config.KIND:
        if text or not decoder:
            raise ValueError(f"a {kind} takes classes and draws latents: it needs vae/, and no text encoder")
    elif kind not in (expected, "" if text else "OpenAIUNet"):
        beside = (
            " beside a text encoder" if text else "" if kind != "UNet2DConditionModel" else " without a text encoder"
        )
        raise ValueError(
            f"the network is a {_named(kind, 'model without a class name')}: only a {expected} can be loaded{beside}"
        )
    # A safety checker is allowed, because it only checks finished pictures.
    known = {"transformer", "id2label"} if kind == transformer_config.KIND else {"unet"}
    known |= {"scheduler", "safety_checker", "feature_extractor"}
    known |= {"vae", "vqvae"} if decoder else set()
    known |= {"text_encoder", "tokenizer"} if text else set()
    others = [key for key, value in index.items() if isinstance(value, list) and any(value) and key not in known]
    if others:
        pipeline, parts = _named(index.get("_class_name"), "a pipeline"), ", ".join(others[:5])
        raise ValueError(
            f"{pipeline} also needs {parts}: only one network can be loaded, of pixels (UNet2DModel), in the latents "
            "of an autoencoder, or in the layout of Stable Diffusion 1 and 2"
        )


def _named(value: Any, otherwise: str) -> str:
    """Return a value for a message if it is a short text, else the text `otherwise`."""
    return value if isinstance(value, str) and 0 < len(value) < 100 else otherwise


def _from_scheduler(scheduler: dict, clip: bool) -> dict[str, Any]:
    """Return schedule, prediction, variance and clip as fields of ModelSpec. clip: the default if the file has none."""
    schedule = _schedule(scheduler)
    # Before diffusers 0.8, the field predict_epsilon named the prediction.
    default = "epsilon" if flag(scheduler, "predict_epsilon", True) else "sample"
    return {
        "schedule": schedule,
        "prediction": _PREDICTIONS[choice(scheduler, "prediction_type", _PREDICTIONS, default)],
        # DPMSolver and SASolver write null if the network has no learned variance.
        "variance": _VARIANCES[choice(scheduler, "variance_type", (*_VARIANCES, None)) or "fixed_small"],
        "clip": _clip(scheduler, clip),
    }


def _schedule(scheduler: dict) -> NoiseSchedule:
    """Return the noise schedule of a scheduler_config.json. Raise ValueError for a field that is not allowed."""
    if "beta_schedule" not in scheduler and scheduler.get("trained_betas") is None:
        kind = _named(scheduler.get("_class_name"), "the scheduler")
        raise ValueError(f"{kind} is not a DDPM or DDIM scheduler: scheduler_config.json has no beta_schedule")
    if scheduler.get("trained_betas") is not None:
        numbers(scheduler, "trained_betas", int(LIMITS["num_train_timesteps"][1]))
    whole(scheduler, "num_train_timesteps", 1000)
    for key, default in (("beta_start", 1e-4), ("beta_end", 0.02)):
        number(scheduler, key, default)
    flag(scheduler, "rescale_betas_zero_snr", False)
    text(scheduler, "_function")
    return NoiseSchedule.from_config(scheduler)


def _clip(scheduler: dict, default: bool) -> bool:
    """Return whether x̂_0 is clipped to [−1, 1]. Raise ValueError for another range, and for thresholding."""
    if flag(scheduler, "thresholding", False):
        raise ValueError("thresholding (of x̂_0 at a quantile) is not supported: it must be false")
    clip, reach = flag(scheduler, "clip_sample", default), number(scheduler, "clip_sample_range", 1.0)
    if clip and reach != 1:
        raise ValueError(f"clip_sample_range is {reach}: only 1, or clip_sample false, is supported")
    return clip


def _check_channels(unet: dict, channels: int, variance: Variance) -> None:
    """Raise ValueError unless the network has `channels` output channels, or twice as many for a learned variance."""
    expected = channels * (2 if variance in LEARNED else 1)
    transformer = transformer_config.is_transformer(unet)
    given = (unet.get("out_channels") or channels) if transformer else unet.get("out_channels", 3)
    if given != expected:
        raise ValueError(
            f"the network gives {given} channels, but {channels} image channels with variance "
            f"{variance} need {expected}"
        )


def _check_times(unet: dict, T: int) -> None:
    """Raise ValueError if a learned time embedding has too few rows for T times, or a table of times is too large."""
    rows = unet.get("num_train_timesteps")
    if unet.get("time_embedding_type") == "learned" and (rows is None or rows < T):
        raise ValueError(f"the schedule has {T} times, but config.json's num_train_timesteps is {shown(rows)}")
    width = unet.get("time_width") if unet.get("_class_name") == "OpenAIUNet" else None
    if width is not None and T * width > MAX_TABLE:
        raise ValueError(f"a table of {T:,} times of {width:,} numbers each is too much")


def _classes(unet: dict, own: dict) -> dict[str, Any]:
    """Return num_classes and null_label as fields of ModelSpec.

    If ddpm_core.json has no null_label, each class embedding is a class, and there is no null label.
    """
    embeddings = unet.get("num_class_embeds") or 0
    null = own.get("null_label")
    classes = embeddings if null is None else embeddings - 1
    if null is not None and (embeddings < 2 or not is_whole(null) or null != classes):
        raise ValueError(f"null_label must be the last of the {embeddings} class embeddings, got {shown(null)}")
    return {"num_classes": classes, "null_label": null}


def _from_facts(own: dict, classes: int) -> dict[str, Any]:
    """Return class names, student, prediction, snr and corrections of ddpm_core.json as fields of ModelSpec."""
    named = own.get("class_names")
    if named is not None:
        named = tuple(names(own, "class_names"))
        if len(named) != classes:
            raise ValueError(f"class_names must be a list of {classes} names, got {shown(list(named))}")
    found: dict[str, Any] = {"class_names": named}
    if "prediction" in own:
        found["prediction"] = choice(own, "prediction", PREDICTIONS)
    if own.get("student") is not None:
        found["student"] = _student(own["student"])
    if own.get("snr") is not None:
        found["snr"] = number(own, "snr")
    if "corrections" in own:
        found["corrections"] = whole(own, "corrections")
    return found


def _transformer_classes(unet: dict) -> dict[str, Any]:
    """Return the classes and the null label of a DiT. As in DiTPipeline, the null label comes after the classes."""
    classes = unet.get("num_embeds_ada_norm", 1000)
    return {"num_classes": classes, "null_label": classes}


def _id2label(index: dict, classes: int) -> tuple[str, ...] | None:
    """Return the class names of a DiT from model_index.json, or None if it has none."""
    named = index.get("id2label")
    if named is None:
        return None
    keys = {str(label) for label in range(classes)}
    if not isinstance(named, dict) or named.keys() != keys:
        raise ValueError(f"id2label must have a name for each class from 0 to {classes - 1}, got {shown(named)}")
    return tuple(names({"id2label": [named[str(label)] for label in range(classes)]}, "id2label"))


def _student(found: Any) -> Student:
    """Return the student that an entry of ddpm_core.json describes."""
    if not isinstance(found, dict):
        raise ValueError(f"student must be a JSON object, got {shown(found)}")
    return Student(
        method=choice(found, "method", DISTILLATIONS),
        times=tuple(numbers(found, "times", int(LIMITS["times"][1]), only_whole=True)),
        teacher=text(found, "teacher"),
        guidance=None if found.get("guidance") is None else number(found, "guidance"),
        finished=flag(found, "finished", True),
        usual=tuple(numbers(found, "usual", int(LIMITS["times"][1]), only_whole=True)) if "usual" in found else (),
    )
