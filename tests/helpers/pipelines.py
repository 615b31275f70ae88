"""Tiny pipelines with random weights, as diffusers writes them, in the layouts of public checkpoints."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    EulerDiscreteScheduler,
    LDMPipeline,
    PNDMScheduler,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.consistency_models import pipeline_consistency_models
from diffusers.pipelines.deprecated.score_sde_ve import pipeline_score_sde_ve
from diffusers.schedulers import scheduling_consistency_models, scheduling_ddpm, scheduling_sde_ve

from ddpm_core import Model, NoiseSchedule, save
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.engines.network import unet

DRAWING = (  # modules of diffusers that draw noise, each by its own randn_tensor
    *(pipeline_consistency_models, pipeline_score_sde_ve),
    *(scheduling_consistency_models, scheduling_ddpm, scheduling_sde_ve),
)
WORDS = ["red", "apple", "green", "heart", "a", "photo", "of", "the", "fox"]


def score(
    folder: Path,
    pickle: bool = False,
    size: int = 8,
    widths: tuple[int, ...] = (32, 32),
    scale: float = 16,
    **scheduler: Any,
) -> ScoreSdeVePipeline:
    """Write a model like google/ncsnpp-church-256, all at the root: Fourier features of σ, Skip blocks, no number of
    groups.

    scale: the deviation of the features' frequencies; diffusers uses 16.
    """
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=size,
        layers_per_block=1,
        block_out_channels=widths,
        down_block_types=(*["SkipDownBlock2D"] * (len(widths) - 1), "AttnSkipDownBlock2D"),
        up_block_types=("AttnSkipUpBlock2D", *["SkipUpBlock2D"] * (len(widths) - 1)),
        time_embedding_type="fourier",
        attention_head_dim=None,
        mid_block_scale_factor=2**0.5,
        norm_num_groups=None,
        norm_eps=1e-6,
    )
    unet.time_proj.weight.mul_(scale / 16)
    pipeline = ScoreSdeVePipeline(
        unet, ScoreSdeVeScheduler(**{"num_train_timesteps": 12, "sigma_max": 50, **scheduler})
    )
    pipeline.unet.save_pretrained(folder, safe_serialization=not pickle)
    pipeline.scheduler.save_pretrained(folder)
    pipeline.save_config(folder)
    return _quiet(pipeline)


def consistency(folder: Path, classes: int | None = None, size: int = 8, **scheduler: Any) -> ConsistencyModelPipeline:
    """Write a model like openai/diffusers-cd_bedroom256_l2, or with classes -cd_imagenet64_l2: unet/ and scheduler/."""
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=size,
        layers_per_block=1,
        block_out_channels=(8, 16),
        attention_head_dim=8,
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        downsample_type="resnet",
        upsample_type="resnet",
        resnet_time_scale_shift="scale_shift",
        num_class_embeds=classes,
    )
    pipeline = ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler(**scheduler))
    pipeline.save_pretrained(folder)
    return _quiet(pipeline)


def _quiet(pipeline: Any) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def ldm(folder: Path) -> LDMPipeline:
    """Write a model like CompVis/ldm-celebahq-256: a VQModel and a UNet2DModel, without words."""
    torch.manual_seed(0)
    levels = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    vqvae = VQModel(**levels, block_out_channels=[32, 32], num_vq_embeddings=64, scaling_factor=1.0)
    unet = UNet2DModel(
        sample_size=8,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(32, 64),
        attention_head_dim=32,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.0015, "beta_end": 0.0195, "clip_sample": False}
    pipeline = LDMPipeline(vqvae, unet, DDIMScheduler(**schedule))
    pipeline.save_pretrained(folder)
    return pipeline


def latent(folder: Path, channels: int, scaling: float = 1.0, **fields: Any) -> Path:
    """Write a model of 8×8 latents with this many channels, each for 2×2 pixels, as `train fit --decoder` does."""
    torch.manual_seed(0)
    network = unet(
        "cifar10",
        sample_size=8,
        dropout=0.0,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )
    torch.nn.init.normal_(network.conv_out.weight, std=0.1)
    decoder = LatentDecoder(autoencoder(channels), torch.device("cpu"), scaling)
    made: dict[str, Any] = {"schedule": NoiseSchedule.cosine(20), "prediction": "v", "clip": False, **fields}
    ready = wrap(network, "cpu", "fp32", "torch")
    shape: dict[str, Any] = {"image_size": 8, "channels": channels, "latent": True, "factor": 2, "decoder": decoder}
    save(Model(network=ready, **{"prediction": "epsilon", **shape, **made}), folder)
    return folder


def autoencoder(channels: int, seed: int = 0) -> AutoencoderTiny:
    """Return an autoencoder whose latents have half the side of a picture."""
    torch.manual_seed(seed)
    blocks = {f"{half}coder_block_out_channels": (8, 8) for half in ("en", "de")}
    return AutoencoderTiny(**blocks, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), latent_channels=channels)


def stable_diffusion(folder: Path, turbo: bool = False, tiny: bool = False) -> StableDiffusionPipeline:
    """Write Stable Diffusion 1.5, or stabilityai/sd-turbo. tiny: with an AutoencoderTiny, like distilled models."""
    torch.manual_seed(1)
    parts = text_parts("gelu" if turbo else "quick_gelu")
    levels = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    unet = UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=8,
        attention_head_dim=[2, 8] if turbo else 8,
        use_linear_projection=turbo,
    )
    schedule = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    narrow = {f"{half}coder_block_out_channels": (16,) * 4 for half in ("en", "de")}
    blocks = {f"num_{half}coder_blocks": (1, 1, 1, 1) for half in ("en", "de")}
    kl = AutoencoderKL(**levels, block_out_channels=(16, 16, 32, 32), norm_num_groups=8)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderTiny(**narrow, **blocks) if tiny else kl,
        **parts,
        unet=unet,
        scheduler=EulerDiscreteScheduler(**schedule, timestep_spacing="trailing")
        if turbo
        else PNDMScheduler(**schedule, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False),
    )
    pipeline.save_pretrained(folder)
    return pipeline


def text_parts(activation: str = "quick_gelu", length: int = 77, layers: int = 2) -> dict[str, Any]:
    """Return the parts of a StableDiffusionPipeline that are not for drawing. A token has 32 numbers."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(code) + end for code in range(97, 123) for end in ("", "</w>")]
    tokens = [*letters, *(f"{word}</w>" for word in WORDS if len(word) > 1), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "pad_token_id": len(tokens) - 1}
    text = CLIPTextModel(
        CLIPTextConfig(
            **ends,
            vocab_size=len(tokens),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=layers,
            num_attention_heads=4,
            max_position_embeddings=length,
            hidden_act=activation,
        )
    )
    merges = [(word[:1], f"{word[1:]}</w>") for word in WORDS if len(word) == 2]
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)
    absent = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return {"text_encoder": text, "tokenizer": tokenizer, **absent}
