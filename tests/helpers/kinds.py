"""Every kind of model: a row of KINDS writes a tiny checkpoint of it, and `Twin` independently computes its results.

A twin evaluates networks only with diffusers and transformers, and everything else in float64 NumPy with the formulas
of `oracle`. It shares no code with ddpm_core.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pipelines
import torch
from checkpoint_folders import SMALLEST, write
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    LDMPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    UniPCMultistepScheduler,
    VQModel,
)

T = 6
BETAS = {"beta_start": 0.02, "beta_end": 0.6, "num_train_timesteps": T}  # then ᾱ_T is 0.08
CLASSES = ("cat", "dog", "fox")


@dataclass(frozen=True)
class Kind:
    """A kind of model. write: writes the checkpoint to a folder. told: the label or prompt of its runs. run: other
    options.
    """

    write: Callable[[Path], object]
    told: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=lambda: {"steps": 3})


def pixels(folder: Path, channels: int = 3, size: int = 8, own: Any = None, **changes: Any) -> None:
    """Write a model of pixels. changes: fields of the network's configuration if it has them, else of the
    scheduler's.
    """
    fields = inspect.signature(UNet2DModel).parameters.keys() - BETAS.keys()
    of_unet = {name: changes.pop(name) for name in [*changes] if name in fields}
    unet = SMALLEST | {"in_channels": channels, "out_channels": channels, "sample_size": size} | of_unet
    write(folder, own=own, scheduler=BETAS | changes, attention_head_dim=2, **unet)


def _autoencoder(kind: type, channels: int) -> Any:
    """Return an autoencoder whose latents have half the side of a picture, with its own scale."""
    widths = (8, 8)
    if kind is AutoencoderTiny:
        halves = {f"{half}coder_block_out_channels": widths for half in ("en", "de")}
        blocks = {f"num_{half}coder_blocks": (1, 1) for half in ("en", "de")}
        return AutoencoderTiny(**halves, **blocks, latent_channels=channels, scaling_factor=1.3)
    levels = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    more = {"num_vq_embeddings": 64} if kind is VQModel else {"shift_factor": 0.2}
    scale = {"latent_channels": channels, "norm_num_groups": 4, "scaling_factor": 0.7}
    return kind(**levels, **scale, **more, block_out_channels=widths)


def latents(folder: Path, decoder: type, channels: int, words: bool = False, own: Any = None, **changes: Any) -> None:
    """Write a model of an autoencoder's latents, as diffusers does."""
    torch.manual_seed(3)
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1, **BETAS, **changes)
    shape = {"in_channels": channels, "out_channels": channels, "sample_size": 4, "layers_per_block": 1}
    shape |= {"norm_num_groups": 2, "block_out_channels": (8,)}
    if words:
        unet = UNet2DConditionModel(
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),  # only the middle block attends to the words
            cross_attention_dim=32,
            attention_head_dim=4,
            **shape,
        )
        for block in unet.mid_block.attentions:
            block.transformer_blocks[0].attn2.to_v.weight.data *= 50  # else words change less than a grey level
        parts = pipelines.text_parts(length=8, layers=1)
        whole = StableDiffusionPipeline(vae=_autoencoder(decoder, channels), unet=unet, scheduler=scheduler, **parts)
    else:
        blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",), "attention_head_dim": 4}
        whole = LDMPipeline(_autoencoder(decoder, channels), UNet2DModel(**shape, **blocks), scheduler)
    whole.save_pretrained(folder)
    if own is not None:
        (folder / "ddpm_core.json").write_text(json.dumps(own))


def transformer(folder: Path, **changes: Any) -> None:
    """Write a DiT as diffusers does, with the Hub's names for its classes."""
    torch.manual_seed(3)
    scheduler = DDIMScheduler(beta_schedule="linear", clip_sample=False, **BETAS, **changes)
    network = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        sample_size=4,
        num_embeds_ada_norm=len(CLASSES),
    )
    DiTPipeline(network, _autoencoder(AutoencoderKL, 4), scheduler).save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["id2label"] = {str(label): name for label, name in enumerate(CLASSES)}
    (folder / "model_index.json").write_text(json.dumps(index))


def openai(folder: Path, time_width: int | None = None, **changes: Any) -> None:
    """Write what `convert` writes for networks that diffusers has no class for: a number of heads, and times on another
    scale.
    """
    own = {"_class_name": "OpenAIUNet", "num_heads": 2, "time_scale": 0.25, "time_width": time_width}
    pixels(folder, out_channels=6, variance_type="learned_range", **changes)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | own))


def _student(method: str, times: tuple[int, ...]) -> dict[str, Any]:
    return {"student": {"method": method, "times": list(times), "teacher": "toy"}}


V = {"prediction_type": "v_prediction"}
LABELLED = {"class_names": list(CLASSES)}
KINDS: dict[str, Kind] = {
    "grey, an odd size": Kind(partial(pixels, channels=1, size=9)),
    "colours": Kind(pixels),
    "colours with alpha, v": Kind(partial(pixels, channels=4, **V)),
    "classes": Kind(partial(pixels, own=LABELLED | {"null_label": 3}, num_class_embeds=4), {"labels": 1}),
    "classes, always needed": Kind(partial(pixels, own=LABELLED, num_class_embeds=3), {"labels": 1}),
    "learned variance": Kind(partial(pixels, out_channels=6, variance_type="learned"), run={"steps": T}),
    "learned range": Kind(partial(pixels, out_channels=6, variance_type="learned_range")),
    "x_0": Kind(partial(pixels, prediction_type="sample")),
    "μ̃": Kind(partial(pixels, own={"prediction": "mu"})),
    "flow": Kind(
        partial(pixels, prediction_type="flow", own={"coordinates": {"kind": "RectifiedFlow", "times": 1000}})
    ),
    # With diffusers' 16 for the scale of the frequencies, an ODE with random weights is too rough for any solver.
    "score model": Kind(
        partial(pipelines.score, widths=(32,), scale=1, num_train_timesteps=T, sigma_max=4), run={"steps": 3}
    ),
    "consistency model": Kind(partial(pipelines.consistency, num_train_timesteps=T, sigma_max=20), run={}),
    "consistency model, classes": Kind(
        partial(pipelines.consistency, classes=3, num_train_timesteps=T, sigma_max=20), {"labels": 1}, run={}
    ),
    "consistency student": Kind(partial(pixels, own=_student("consistency", (T, 4, 2)), **V), run={}),
    "progressive student": Kind(partial(pixels, own=_student("progressive", (T, 3)), **V), run={}),
    "latents, VQModel of 3 channels": Kind(partial(latents, decoder=VQModel, channels=3)),
    "latents, AutoencoderKL of 4 channels, v": Kind(partial(latents, decoder=AutoencoderKL, channels=4, **V)),
    "latents, AutoencoderTiny of 1 channel, v": Kind(partial(latents, decoder=AutoencoderTiny, channels=1, **V)),
    "student of latents": Kind(
        partial(latents, decoder=AutoencoderTiny, channels=4, own=_student("progressive", (T, 3)), **V), run={}
    ),
    "DiT": Kind(transformer, {"labels": 1}),
    "OpenAI's U-Net": Kind(openai),
    "words": Kind(partial(latents, decoder=AutoencoderKL, channels=4, words=True), {"prompts": "red apple"}),
    "words, v": Kind(partial(latents, decoder=AutoencoderTiny, channels=4, words=True, **V), {"prompts": "the fox"}),
}


def draw(seeds: Any, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the noise of one stream for each seed: NumPy's Philox with the key (seed, stream)."""
    each = [
        np.random.Generator(np.random.Philox(key=[seed, stream])).standard_normal(shape, np.float32) for seed in seeds
    ]
    return np.stack(each).astype(np.float64)


class Twin:
    """Computes what a checkpoint's model should compute. told: the labels or prompts of its runs, the same for all."""

    def __init__(self, folder: Path, told: Mapping[str, Any]):
        def config(*names: str) -> dict[str, Any]:
            return next((json.loads((folder / name).read_text()) for name in names if (folder / name).is_file()), {})

        scheduler = config("scheduler/scheduler_config.json", "scheduler_config.json")
        own, index = config("ddpm_core.json"), config("model_index.json")
        self.own, self.told, self.ab = own, dict(told), oracle.alpha_bar(oracle.linear_betas(T, 0.02, 0.6))
        self.family = {"ScoreSdeVeScheduler": "score", "CMStochasticIterativeScheduler": "consistency"}.get(
            scheduler["_class_name"]
        )
        if self.family:
            self.low, high = scheduler["sigma_min"], scheduler["sigma_max"]
            part = np.linspace(0, 1, T)
            if self.family == "score":  # a score model's images are in [0, 1], so in [−1, 1] its σ is twice as large
                sigma = 2 * self.low * (high / self.low) ** part
            else:
                sigma = (self.low ** (1 / 7) + part * (high ** (1 / 7) - self.low ** (1 / 7))) ** 7
            self.sigma = np.array([0.0, *sigma])
            self.ab = 1 / (1 + self.sigma**2)
        names = {"epsilon": "epsilon", "sample": "x0", "v_prediction": "v", "flow": "flow"}
        self.prediction = own.get("prediction") or names[scheduler.get("prediction_type", "epsilon")]
        self.prediction = "x0" if self.family == "consistency" else self.prediction
        fixed = {"fixed_large": "beta", "fixed_small": "beta_tilde"}
        kind = scheduler.get("variance_type", "fixed_large" if self.family else "fixed_small")
        self.variance = fixed.get(kind, kind)
        self.clip = scheduler.get("clip_sample", scheduler.get("clip_denoised", False))
        every = {"method": "consistency", "times": list(range(T, 0, -1))} if self.family == "consistency" else None
        self.student = own.get("student", every)
        part = next((name for name in ("vae", "vqvae") if index.get(name)), None)
        self.latent, self.words = part is not None, bool(index.get("text_encoder"))
        home = "transformer" if index.get("transformer") else "unet"
        kinds = {"transformer": DiTTransformer2DModel, "unet": UNet2DConditionModel if self.words else UNet2DModel}
        where = {"subfolder": home} if (folder / home).is_dir() else {}
        self.unet = kinds[home].from_pretrained(folder, **where).eval()
        self.time_scale = config("config.json").get("time_scale", 1)
        of = self.unet.config
        self.shape = (of.in_channels, of.sample_size, of.sample_size)
        self.embeddings = 0 if self.words else of.get("num_class_embeds") or 0
        if home == "transformer":
            self.own = {"null_label": of.num_embeds_ada_norm}
            self.embeddings, self.variance = of.num_embeds_ada_norm + 1, "learned_range"
        self.autoencoder = self.text = None
        if part:
            kinds = {kind.__name__: kind for kind in (AutoencoderKL, AutoencoderTiny, VQModel)}
            self.autoencoder = kinds[index[part][1]].from_pretrained(folder, subfolder=part).eval()
            self.scale = self.autoencoder.config.scaling_factor
            self.shift = getattr(self.autoencoder.config, "shift_factor", None) or 0.0
        if self.words:
            from transformers import CLIPTextModel, CLIPTokenizer

            self.text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder").eval()
            self.tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
        self._encoded = cache(self._encode)

    @property
    def floor(self) -> float:
        """Return the σ of a consistency model's x̂_0."""
        return self.low if self.family == "consistency" else 0.0

    # --- Pictures

    @property
    def picture(self) -> tuple[int, int]:
        """Return the channels and the side of a picture."""
        channels, side, _ = self.shape
        return (3, 2 * side) if self.latent else (channels, side)

    @torch.no_grad()
    def decoded(self, x: np.ndarray) -> np.ndarray:
        """Return the pictures of a state, float (N, C, H, W) in [−1, 1]."""
        if self.autoencoder is None:
            return x
        return self.autoencoder.decode(torch.tensor(x / self.scale + self.shift).float()).sample.double().numpy()

    @torch.no_grad()
    def encoded(self, pictures: np.ndarray) -> np.ndarray:
        """Return x_0 of pictures, uint8 (N, H, W, C)."""
        x = pictures.transpose(0, 3, 1, 2) / 127.5 - 1
        if self.autoencoder is None:
            return x
        found = self.autoencoder.encode(torch.tensor(x).float())
        z = found.latent_dist.mode() if hasattr(found, "latent_dist") else found.latents
        return self.scale * (z.double().numpy() - self.shift)

    # --- The network

    def conditions(self, told: Any, n: int) -> list[torch.Tensor]:
        """Return the network's conditions for n images. told: a label or prompt, or one for each image; None for
        none.
        """
        each = tuple(told) if isinstance(told, (list, tuple)) else (told,) * n
        if self.words:
            return [self._encoded(each)]
        if not self.embeddings:
            return []
        return [torch.tensor([self.own["null_label"] if one is None else one for one in each])]

    def tokens(self, prompts: Sequence[str | None]) -> torch.Tensor:
        words = ["" if one is None else one for one in prompts]
        length = {"padding": "max_length", "truncation": True, "max_length": 8}
        return self.tokenizer(words, **length, return_tensors="pt").input_ids

    def _encode(self, prompts: tuple[str | None, ...]) -> torch.Tensor:
        return self.text(self.tokens(prompts))[0].detach()

    def alpha_bar(self, t: float) -> float:
        """Return ᾱ. For a fraction of t, log σ is interpolated."""
        if t == int(t):
            return self.ab[int(t)]
        log_sigma = np.interp(t, np.arange(1, T + 1), 0.5 * np.log(1 / self.ab[1:] - 1))
        return 1 / (1 + np.exp(2 * log_sigma))

    def output(self, x: torch.Tensor, t: float, told: Any) -> torch.Tensor:
        """Return the output of the network as float64, computed in float32. In other coordinates, it is translated to ε
        or x_0.
        """
        labels = self.conditions(told, len(x))
        if self.family:
            return self._translated(x, t, labels)
        if self.prediction == "flow":
            signal, noise = self.alpha_bar(t) ** 0.5, (1 - self.alpha_bar(t)) ** 0.5
            time = torch.full((len(x),), 1000 * noise / (signal + noise), dtype=torch.float64)
            return self.unet((x / (signal + noise)).float(), time, *labels).sample.double()
        return self.unet(x.float(), torch.full((len(x),), t - 1) * self.time_scale, *labels).sample.double()

    def _translated(self, x: torch.Tensor, t: float, labels: list[torch.Tensor]) -> torch.Tensor:
        """Return ε of a score model (Song et al. 2021), or x_0 of a consistency model
        (Song et al. 2023, Appendix C).
        """
        sigma, y = (1 / self.alpha_bar(t) - 1) ** 0.5, x / self.alpha_bar(t) ** 0.5
        if self.family == "score":
            told = sigma / 2 * (self.sigma[-1] / self.sigma[1]) ** (1e-5 * (T - t) / (T - 1))
            score = self.unet(((y + 1) / 2).float(), torch.full((len(x),), told)).sample.double()
            return -sigma / 2 * score
        c_in, above = (sigma**2 + 0.25) ** -0.5, sigma - self.low
        time = torch.full((len(x),), 250 * np.log(sigma), dtype=torch.float64)
        F = self.unet((c_in * y).float(), time, *labels).sample.double()
        return 0.25 / (above**2 + 0.25) * y + 0.5 * above * c_in * F

    def _told(self, told: Any) -> Any:
        return next(iter(self.told.values()), None) if told is ... else told

    def denoised(self, x: Any, t: int, told: Any = ..., guidance: float = 1.0, clip: bool | None = None) -> Any:
        """Return (x_0, ε, x_0 as shown, v), in NumPy or torch like x."""
        given, told = torch.as_tensor(x), self._told(told)
        with torch.set_grad_enabled(given.requires_grad):
            out = self.output(given, t, told)
            half, v = out[:, : self.shape[0]], out[:, self.shape[0] :]
            if guidance != 1:
                away = self.output(given, t, None)[:, : self.shape[0]]
                half = away + guidance * (half - away)
            if not given.requires_grad:
                half, v = half.numpy(), v.numpy()
            x_0 = oracle.x0_of(self.ab, self.prediction, half, x, t)
        clip = self.clip if clip is None else clip
        shown = x_0.clip(-1, 1) if clip else x_0
        x_0 = shown if self.prediction != "mu" else x_0
        return x_0, (x - self.ab[t] ** 0.5 * x_0) / (1 - self.ab[t]) ** 0.5, shown, v

    def log_prob(self, picture: np.ndarray, tolerance: float) -> tuple[float, float]:
        """Return log p(x_1) by the flow, by SciPy's RK45 in log σ with the noise of seed 0, and its largest error.

        In each step, RK45 keeps the root mean square of e_i/s_i below the tolerance. e_i are the errors of the D + 1
        numbers y = (x, ∫ ∇·f), and s_i = 1 + |y_i|. They change log p by Σ w_i e_i, w = (−x_T, 1). By Cauchy's
        inequality this is at most tolerance √(D + 1) ‖w s‖. At worst, the errors of all steps have the same sign.
        """
        from scipy.integrate import solve_ivp

        levels = picture.transpose(0, 3, 1, 2) / 127.5 - 1
        noise, drawn = (np.random.Generator(np.random.Philox(key=[0, 2**40 + k])) for k in (0, 1))
        x = levels + 2 / 255 * (noise.random(self.shape) - 0.5)
        signs = torch.tensor(2.0 * drawn.integers(0, 2, self.shape) - 1)
        known = 0.5 * np.log(1 / self.ab[1:] - 1)

        def slope(log_sigma: float, state: np.ndarray) -> np.ndarray:
            x = torch.tensor(state[:-1]).reshape(levels.shape)
            t, at = float(np.interp(log_sigma, known, np.arange(1, T + 1))), x.clone().requires_grad_()
            ab = 1 / (1 + np.exp(2 * log_sigma))
            half = self.output(at, t, self._told(...))[:, : self.shape[0]]
            eps = (at - ab**0.5 * oracle.x0_of({t: ab}, self.prediction, half, at, t)) / (1 - ab) ** 0.5
            traced = (torch.autograd.grad((eps * signs).sum(), at)[0] * signs).sum().item()
            dx = (1 - ab) ** 0.5 * eps.detach() - (1 - ab) * x
            return np.array([*dx.flatten().tolist(), (1 - ab) ** 0.5 * traced - (1 - ab) * x.numel()])

        start = np.array([*x.flatten(), 0.0])
        y = solve_ivp(slope, (known[0], known[-1]), start, rtol=tolerance, atol=tolerance).y
        x_T, change, s = y[:-1, -1], y[-1, -1], 1 + np.maximum(abs(y[:, 1:]), abs(y[:, :-1]))
        permitted = tolerance * len(y) ** 0.5 * np.linalg.norm(np.array([*x_T, 1])[:, None] * s, axis=0).sum()
        return change - 0.5 * ((x_T**2).sum() + x_T.size * np.log(2 * np.pi)), permitted

    # --- Runs

    def x_T(self, seeds: Any) -> np.ndarray:
        return draw(seeds, 0, self.shape)

    def pairs(self, steps: int | None, start: int = T) -> list[tuple[int, int]]:
        if self.student:
            times = [t for t in self.student["times"] if t <= start]
            n = len(times) if self.student["method"] == "progressive" else min(steps or 2, len(times))
            times = [times[k * len(times) // n] for k in range(n)]
            return list(zip(times, [*times[1:], 0], strict=True))
        found = oracle.pairs(start, min(steps or 3, start))
        return [(start, found[0][1]), *found[1:]]

    @property
    def sampler(self) -> str:
        """Return the default sampler of a run."""
        return {"consistency": "consistency", "progressive": "ddim"}[self.student["method"]] if self.student else "ddpm"

    def run(
        self,
        x: np.ndarray,
        pairs: list[tuple[int, int]],
        seeds: Any,
        sampler: str | None = None,
        variance: str | None = None,
        eta: float = 0.0,
        told: Any = ...,
        guidance: float = 1.0,
        fitted: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return x_0 at the end of a run. fitted: a function that is applied to each x̂_0."""
        sampler, seen = sampler or self.sampler, {}

        def noise(i: int, x: np.ndarray) -> np.ndarray:
            return draw(seeds, i + 1, self.shape)

        def eps(x: np.ndarray, t: int) -> np.ndarray:
            x_0, _, shown, v = self.denoised(x, t, told, guidance)
            x_0 = fitted(shown) if fitted else x_0
            seen["v"], seen["x_0"] = v, x_0
            return (x - self.ab[t] ** 0.5 * x_0) / (1 - self.ab[t]) ** 0.5

        if sampler == "ddpm":
            kind = variance or self.variance
            v = (lambda x, t: seen["v"]) if kind.startswith("learned") else None
            chain = oracle.ddpm(self.ab, eps, x, pairs, kind, noise, False, v, self.family == "score")
            *_, (x, _, _) = chain
            return x
        if sampler == "ddim":
            *_, (x, _, _) = oracle.ddim(self.ab, eps, x, pairs, eta, noise, False)
            return x
        advance = {"dpm++": _dpm, "unipc": _unipc, "consistency": lambda *_: _renoised(noise, self.floor)}[sampler](
            self.ab, pairs
        )
        for i, (t, s) in enumerate(pairs):
            eps(x, t)
            x = advance(i, t, s, x, seen["x_0"], self.ab)
        return x

    def pictures(self, seeds: Any, steps: int | None = None, **options: Any) -> np.ndarray:
        """Return the pictures at the end of a run, uint8 (N, H, W, C)."""
        return levels(self.decoded(self.run(self.x_T(seeds), self.pairs(steps), seeds, **options)))

    def bits(
        self,
        pictures: np.ndarray,
        pairs: list[tuple[int, int]],
        told: Any = ...,
        variance: str | None = None,
        whole: bool = False,
    ) -> Any:
        """Return the bits per dimension of each picture, Eq. 5, with the noise of seeds 0, 1, …

        whole: whether each time has the noise of the whole chain, as for a bound that is computed from that chain.
        """
        kind, ab = variance or self.variance, self.ab
        x_0 = self.encoded(pictures)
        found = (0.5 * (ab[pairs[0][0]] * (x_0**2 - 1) - np.log1p(-ab[pairs[0][0]]))).mean((1, 2, 3))
        for k, (t, s) in enumerate(pairs):
            x_t = ab[t] ** 0.5 * x_0 + (1 - ab[t]) ** 0.5 * draw(
                range(len(x_0)), T - t + 1 if whole else k + 1, self.shape
            )
            guess, _, _, v = self.denoised(x_t, t, told)
            mean, true = (oracle.mean(ab, one, x_t, t, s) for one in (guess, x_0))
            grows = self.family == "score"
            pair = (2, 1) if s == 0 and kind != "learned" else (t, s)  # β̃ of the pair (1, 0) is 0
            if kind == "learned_range":
                u = (v + 1) / 2
                ends = oracle.variance(ab, "beta", t, s), oracle.variance(ab, "beta_tilde", *pair)
                sigma2 = np.exp(u * np.log(ends[0]) + (1 - u) * np.log(ends[1]))
            else:
                sigma2 = oracle.variance(
                    ab, "beta_tilde" if s == 0 and kind != "learned" else kind, *pair, v, grows=grows
                )
            if s == 0:
                found = found - np.log(_bin(x_0, mean, sigma2)).mean((1, 2, 3))
            else:
                ratio = oracle.variance(ab, "beta_tilde", t, s) / sigma2
                found = found + (0.5 * (ratio - 1 - np.log(ratio) + (true - mean) ** 2 / sigma2)).mean((1, 2, 3))
        return found / np.log(2)


def levels(x: np.ndarray) -> np.ndarray:
    """Return x rounded to 256 levels, uint8 (N, H, W, C)."""
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)


def _bin(x_0: np.ndarray, mean: np.ndarray, variance: Any) -> np.ndarray:
    """Return the log-likelihood of x_0 by the paper's discrete decoder, Eq. 13, with its approximation of the normal
    CDF.
    """

    def cdf(z: np.ndarray) -> np.ndarray:
        return 0.5 * (1 + np.tanh((2 / np.pi) ** 0.5 * (z + 0.044715 * z**3)))

    above, below = (cdf((x_0 + half - mean) / variance**0.5) for half in (1 / 255, -1 / 255))
    return np.where(x_0 < -0.999, above, np.where(x_0 > 0.999, 1 - below, above - below)).clip(1e-12)


def _renoised(noise: Callable[[int, np.ndarray], np.ndarray], floor: float) -> Callable[..., np.ndarray]:
    """Return a step of multistep consistency sampling (Song et al. 2023, Algorithm 1): x̂_0 + √(σ_s² − ε²) z."""

    def advance(i: int, t: int, s: int, x: np.ndarray, x_0: np.ndarray, ab: np.ndarray) -> np.ndarray:
        return ab[s] ** 0.5 * (x_0 + ((1 - ab[s]) / ab[s] - floor**2) ** 0.5 * noise(i, x)) if s else x_0

    return advance


def _dpm(ab: np.ndarray, pairs: list[tuple[int, int]]) -> Callable[..., np.ndarray]:
    """Return a step of DPM-Solver++(2M) (Lu et al. 2022, Algorithm 2). The first and the last step have order 1."""
    before: dict[str, Any] = {}

    def advance(i: int, t: int, s: int, x: np.ndarray, x_0: np.ndarray, ab: np.ndarray) -> np.ndarray:
        if s == 0:
            return x_0
        half_log_snr = [0.5 * np.log(ab[time] / (1 - ab[time])) for time in (t, s)]
        h = half_log_snr[1] - half_log_snr[0]
        D = x_0
        if before:
            r = before["h"] / h
            D = (1 + 1 / (2 * r)) * x_0 - 1 / (2 * r) * before["x_0"]
        before.update(h=h, x_0=x_0)
        return ((1 - ab[s]) / (1 - ab[t])) ** 0.5 * x - ab[s] ** 0.5 * np.expm1(-h) * D

    return advance


def _unipc(ab: np.ndarray, pairs: list[tuple[int, int]]) -> Callable[..., np.ndarray]:
    """Return a step of diffusers' UniPC, at our times."""
    scheduler = UniPCMultistepScheduler(num_train_timesteps=T, prediction_type="sample", final_sigmas_type="zero")
    scheduler.set_timesteps(len(pairs))
    times = [t for t, _ in pairs]
    scheduler.timesteps = torch.tensor(times)
    scheduler.sigmas = torch.tensor(((1 - ab) / ab) ** 0.5)[[*times, 0]]

    def advance(i: int, t: int, s: int, x: np.ndarray, x_0: np.ndarray, ab: np.ndarray) -> np.ndarray:
        return scheduler.step(torch.tensor(x_0), t, torch.tensor(x)).prev_sample.numpy()

    return advance
