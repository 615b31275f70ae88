"""The page's own networks (ui/web/network) compute what PyTorch does: one run of node answers all questions."""

import base64
import hashlib
import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pipelines
import pytest
import torch
from checkpoint_folders import LEGACY, SCHEDULER, write_json
from diffusers import AutoencoderTiny, UNet2DConditionModel, UNet2DModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from ddpm_core import Model, NoiseSchedule, load, save
from ddpm_core.checkpoint.config.fields import LIMITS
from ddpm_core.checkpoint.cost import network_cost
from ddpm_core.checkpoint.hub.snapshots import fetch
from ddpm_core.checkpoint.refs import parse
from ddpm_core.checkpoint.spec import check, read
from ddpm_core.coordinates import RectifiedFlow, network_input
from ddpm_core.engines.choose import wrap
from ui.static.packing import SUFFIX, pack

WEB = Path(__file__).parents[2] / "ui/web"
SCRIPT = WEB / "tests/local/network.mjs"
CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

# Of the largest number, from float64's: a sum of n numbers in float32 loses some 2⁻²⁴ √n, which is 1e-6 for the few
# hundred that count, in each layer. PyTorch's own float32 lies between 4e-7 and 3e-6 from it.
CLOSE = 2e-6
PIXELS = (
    *("mnist-tiny", "mnist-tiny-2-steps", "mnist-tiny-consistency"),
    *("cifar10-tiny", "cifar10-tiny-4-steps", "cifar10-tiny-2-steps"),
)
PROMPTS = ["", "a red heart", "Grinning face, with 2 BIG eyes & it's smiling! <|endoftext|> é中🙂 " * 3]

SMALL = {
    **{"sample_size": 8, "in_channels": 3, "out_channels": 3, "layers_per_block": 1, "block_out_channels": (8, 16)},
    **{"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
    **{"norm_num_groups": 4, "attention_head_dim": None, "norm_eps": 1e-6},
}
# What differs from SMALL.
PIXEL_NETWORKS = {
    "small": {},
    "defaults": {"attention_head_dim": 8, "norm_eps": 1e-5, "downsample_padding": 1, "freq_shift": 0},
    "google": {
        **{"sample_size": 32, "block_out_channels": (8, 16, 16, 16), "downsample_padding": 0},
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        **{"flip_sin_to_cos": False, "freq_shift": 1},
    },
    "no padding": {"downsample_padding": 0},
    "heads": {"attention_head_dim": 4},
    "heads that leave channels": {"attention_head_dim": 6},
    "cos and sin": {"flip_sin_to_cos": True, "freq_shift": 0.5},
    "classes": {"num_class_embeds": 5},
    "scale and shift": {"resnet_time_scale_shift": "scale_shift"},
    "scale and shift, groups": {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 2},
    "no attention": {
        "add_attention": False,
        "down_block_types": ("DownBlock2D",) * 2,
        "up_block_types": ("UpBlock2D",) * 2,
    },
    "no middle": {"mid_block_type": None},
    "a scaled middle": {"mid_block_scale_factor": 1.5},
    "learned times": {"time_embedding_type": "learned", "num_train_timesteps": 1000},
    "a wide embedding": {"time_embedding_dim": 20},
    "centred": {"center_input_sample": True},
    "gelu": {"act_fn": "gelu"},
    "relu": {"act_fn": "relu"},
    "mish": {"act_fn": "mish"},
    "twelve pixels": {"sample_size": 12},
    "fourteen pixels, grey": {"sample_size": 14, "in_channels": 1, "out_channels": 1},
    "twenty pixels": {"sample_size": 20, "block_out_channels": (12, 20)},
    "one level": {
        **{"sample_size": 5, "block_out_channels": (8,), "down_block_types": ("AttnDownBlock2D",)},
        "up_block_types": ("AttnUpBlock2D",),
    },
    "odd widths": {"block_out_channels": (6, 9), "norm_num_groups": 3, "layers_per_block": 2},
    "many pixels attend": {
        "sample_size": 16,
        "down_block_types": ("AttnDownBlock2D",) * 2,
        "up_block_types": ("AttnUpBlock2D",) * 2,
    },
}


def packed(array):
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def numbers(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def ask(folder, cases):
    """What network.mjs says to each case."""
    asked, answered = folder / "asked.json", folder / "answered.json"
    asked.write_text(json.dumps(cases))
    subprocess.run(["node", SCRIPT, asked, answered], check=True, timeout=300)
    return json.loads(answered.read_text())


def randomised(network, seed=0):
    """Every parameter drawn anew, of a size that keeps numbers of the order of 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            size = 0.3 if parameter.ndim < 2 else 1 / parameter[0].numel() ** 0.5
            parameter.add_(torch.randn(parameter.shape, generator=generator) * size)
    return network.eval()


def pictures(count, channels, side):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(5))


def write(folder, network, scheduler=SCHEDULER):
    """A checkpoint of pixels at the folder's root."""
    network.save_pretrained(folder)
    (folder / "scheduler_config.json").write_text(json.dumps(scheduler))
    return folder


class Question:
    """A case for network.mjs, and what PyTorch answers to it in float64."""

    def __init__(self, folder):
        self.case = {"folder": str(folder), "evaluations": [], "latents": [], "prompts": []}
        self.outputs, self.decoded, self.states = [], [], []

    @torch.no_grad()
    def evaluate(self, network, x, t, *told, **condition):
        self.outputs.append(network(x.double(), torch.tensor([t]), *told, return_dict=False)[0])
        self.case["evaluations"].append({"x": packed(x), "t": t, **condition})

    @torch.no_grad()
    def decode(self, autoencoder, z):
        scaled = z.double() / autoencoder.config.scaling_factor
        self.decoded.append(autoencoder.double().decode(scaled, return_dict=False)[0])
        self.case["latents"].append(packed(z))

    def check(self, answer):
        assert "error" not in answer, answer["error"]
        for name in ("outputs", "decoded", "states"):
            for ours, theirs in zip(answer[name], getattr(self, name), strict=True):
                exact = theirs.numpy().ravel()
                assert np.abs(numbers(ours) - exact).max() <= CLOSE * np.abs(exact).max(), name


def embedded(name):
    """The questions about an embedded model of pixels; one about a student, whose network is like its teacher's."""
    network = UNet2DModel.from_pretrained(CHECKPOINTS / name).eval().double()
    config = network.config
    question = Question(CHECKPOINTS / name)
    inputs = pictures(3, config.in_channels, config.sample_size).split(1)
    count = 3 if name == "mnist-tiny" else 1
    for x, t, label in [*zip(inputs, (412, 0, 999), (3, 0, 10), strict=True)][:count]:
        question.evaluate(network, x, t, torch.tensor([label]), label=label)
    return question


def pixels(folder, change):
    config = SMALL | change
    torch.manual_seed(0)
    network = randomised(UNet2DModel(**config))
    question = Question(write(folder, network))
    network.double()
    label = {"label": 2} if config.get("num_class_embeds") else {}
    for x, t in zip(pictures(2, config["in_channels"], config["sample_size"]).split(1), (3, 801), strict=True):
        question.evaluate(network, x, t, *(torch.tensor([value]) for value in label.values()), **label)
    return question


@torch.no_grad()
def emoji():
    folder = CHECKPOINTS / "emoji-tiny"
    network = UNet2DConditionModel.from_pretrained(folder / "unet").eval().double()
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval().double()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    question = Question(folder)
    question.case["prompts"] = PROMPTS
    for prompt in PROMPTS:
        tokens = tokenizer(prompt, padding="max_length", truncation=True, max_length=20, return_tensors="pt")
        question.states.append(encoder(tokens["input_ids"]).last_hidden_state)
    for x, t, prompt, states in zip(pictures(3, 16, 8).split(1), (0, 412, 999), PROMPTS, question.states, strict=True):
        question.evaluate(network, x, t, states, prompt=prompt)
    question.decode(AutoencoderTiny.from_pretrained(folder / "vae").eval(), pictures(1, 16, 8))
    return question


@torch.no_grad()
def pipeline(folder, **options):
    """The questions about Stable Diffusion's layout, as diffusers writes it."""
    pipe = pipelines.stable_diffusion(folder, tiny=True, **options)
    question = Question(folder)
    tokens = pipe.tokenizer("a red fox of the photo", padding="max_length", max_length=77, return_tensors="pt")
    states = pipe.text_encoder.eval().double()(tokens["input_ids"]).last_hidden_state
    question.states, question.case["prompts"] = [states], ["a red fox of the photo"]
    x = pictures(1, 4, 8)
    question.evaluate(pipe.unet.eval().double(), x, 700, states, prompt="A red  fox of the photo")
    question.decode(pipe.vae, x)
    return question


PIPELINES = {"words": {}, "words, turbo": {"turbo": True}}


def of_the_hub(folder, network, dtype=torch.float32, old=False, layout=""):
    """A network's file in other forms: of another dtype, with attention as it was named before diffusers 0.12."""
    (folder / layout).mkdir(parents=True, exist_ok=True)
    weights = {key: value.to(dtype) for key, value in network.state_dict().items()}
    names = LEGACY if old else {}
    for new, legacy in names.items():
        weights = {key.replace(new, legacy): value for key, value in weights.items()}
    save_file(weights, folder / layout / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    write_json(folder / layout / "config.json", {"_class_name": "UNet2DModel", **network.config})
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler/scheduler_config.json" if layout else folder / "scheduler_config.json", SCHEDULER)


FORMS = {
    "half": {"dtype": torch.float16},
    "bfloat": {"dtype": torch.bfloat16},
    "old names": {"old": True},
    "folders": {"layout": "unet"},
}


def form(folder, options):
    network = randomised(UNet2DModel(**SMALL)).to(options.get("dtype", torch.float32)).float()
    of_the_hub(folder, network, **options)
    question = Question(folder)
    question.evaluate(network.double(), pictures(1, 3, 8), 500)
    return question


def in_bytes(folder):
    """A network in 8 bits, as `save` writes it and `load` reads it."""
    network = wrap(randomised(UNet2DModel(**SMALL)), "cpu", "fp32", "torch")
    save(Model(network=network, schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon"), folder, int8=True)
    question = Question(folder)
    unet: Any = load(folder, device="cpu", precision="fp32", engine="torch").network
    question.evaluate(unet.unet.double(), pictures(1, 3, 8), 500)
    return question


def flow(folder):
    """A rectified flow, whose network sees (1 − τ) x_0 + τ ε and τ."""
    network = randomised(UNet2DModel(**SMALL))
    schedule, coordinates = NoiseSchedule.flow(1000), RectifiedFlow(times=1000)
    wrapped = wrap(network, "cpu", "fp32", "torch")
    save(Model(network=wrapped, schedule=schedule, image_size=8, prediction="flow", coordinates=coordinates), folder)
    question, x = Question(folder), pictures(1, 3, 8)
    for t in (1, 500, 1000):
        inputs, time = network_input(coordinates, schedule, x.double(), t)
        question.outputs.append(network.double()(inputs, time, return_dict=False)[0].detach())
        question.case["evaluations"].append({"x": packed(x), "t": t - 1})
    return question


def on_another_schedule(folder):
    """A network that draws on another schedule than that of its training, and what was measured on that."""
    network = randomised(UNet2DModel(**SMALL))
    trained, wrapped = NoiseSchedule.linear(), wrap(network, "cpu", "fp32", "torch")
    own = NoiseSchedule.from_alpha_bar([0.99999, 0.9, 0.5, 0.1, 1e-6])  # the ends lie beyond the training
    model = Model(network=wrapped, schedule=trained, image_size=8, prediction="epsilon").with_schedule(own)
    save(model, folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    steps = {"weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(), "times": {"ddim": {"2": "5 2"}}}
    write_json(folder / "optimised_steps.json", steps | {"schedule": {"T": 5, "alpha_bar": {"5": 1e-6, "2": 0.8}}})
    question, x = Question(folder), pictures(1, 3, 8)
    for t in (1, 2, 3, 5):
        inputs, time = network_input(model.coordinates, own, x, t)
        question.outputs.append(network.double()(inputs.double(), time.double(), return_dict=False)[0].detach())
        question.case["evaluations"].append({"x": packed(x), "t": t - 1})
    return question


def latents(folder):
    """A model of latents without words, as the trainer writes it."""
    autoencoder = randomised(AutoencoderTiny(latent_channels=4, num_decoder_blocks=(1, 1, 1, 1), scaling_factor=1.3))
    autoencoder.save_pretrained(folder / "vqvae")
    network = randomised(UNet2DModel(**SMALL | {"in_channels": 4, "out_channels": 4}))
    of_the_hub(folder, network, layout="unet")
    question, x = Question(folder), pictures(1, 4, 8)
    question.evaluate(network.double(), x, 500)
    question.decode(autoencoder, x)
    return question


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """For each name the question and its answer."""
    folder = tmp_path_factory.mktemp("networks")
    asked = {name: embedded(name) for name in PIXELS}
    asked["emoji-tiny"] = emoji()
    for i, (name, change) in enumerate(PIXEL_NETWORKS.items()):
        asked[name] = pixels(folder / str(i), change)
    asked |= {name: pipeline(folder / name, **options) for name, options in PIPELINES.items()}
    asked |= {name: form(folder / name, options) for name, options in FORMS.items()}
    asked["int8"] = in_bytes(folder / "int8")
    asked["latents"] = latents(folder / "latents")
    asked["flow"] = flow(folder / "flow")
    asked["another schedule"] = on_another_schedule(folder / "another")
    asked["again"] = embedded("mnist-tiny")
    asked["again"].case["evaluations"] *= 2
    asked["steps of other weights"] = pixels(folder / "steps", {})
    steps = {"weights_sha256": "0" * 64, "times": {"ddim": {"2": "900 5"}}}
    write_json(folder / "steps" / "optimised_steps.json", steps)
    found = ask(folder, [question.case for question in asked.values()])
    return {name: (question, answer) for (name, question), answer in zip(asked.items(), found, strict=True)}


@pytest.mark.parametrize(
    "name", [*PIXELS, "emoji-tiny", *PIXEL_NETWORKS, *PIPELINES, *FORMS, "int8", "latents", "flow", "another schedule"]
)
def test_networks_give_the_numbers_of_pytorch(answers, name):
    question, answer = answers[name]
    question.check(answer)


# What a GPU can compute, and at the end what it leaves to the kernel.
ON_GPU = ("small", "google", "no padding", "heads that leave channels", "classes", "odd widths", "many pixels attend")
LEFT_TO_THE_KERNEL = ("gelu", "scale and shift")
EVALUATE = """async ([web, folder, evaluations]) => {
    const imported = ["model", "gpu"].map((name) => import(`${web}/network/${name}.js`));
    const [{ load }, { gpu }] = await Promise.all(imported);
    const read = (path) => fetch(`${folder}/${path}`).then((answer) => (answer.ok ? answer.arrayBuffer() : null));
    const device = await gpu(true);
    if (!device) return null;
    const { network, engine } = await load(read, "here", undefined, device);
    const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer);
    const text = (floats) => btoa(String.fromCharCode(...new Uint8Array(floats.buffer)));
    const outputs = [];
    for (const { x, t, label = null } of evaluations) outputs.push(text(await network(floats(x), t, label)));
    device.destroy(); // the kernel goes on
    for (const { x, t, label = null } of evaluations) outputs.push(text(await network(floats(x), t, label)));
    return { engine, outputs, decoded: [], states: [] };
}"""


@pytest.mark.parametrize("name", [*ON_GPU, *LEFT_TO_THE_KERNEL])
def test_a_gpu_gives_the_numbers_of_pytorch(answers, gpu_page, name):
    question, _ = answers[name]
    answer = gpu_page.evaluate(EVALUATE, [f"{WEB}", question.case["folder"], question.case["evaluations"]])
    if answer is None:
        pytest.skip("this Chromium has no WebGPU")
    assert answer["engine"] == ("WebGPU" if name in ON_GPU else "WebAssembly")
    n = len(question.outputs)
    for outputs in (answer["outputs"][:n], answer["outputs"][n:]):
        question.check(answer | {"outputs": outputs})


def test_an_evaluation_does_not_depend_on_those_before_it(answers):
    outputs = answers["again"][1]["outputs"]
    assert outputs[:3] == outputs[3:]


@pytest.mark.parametrize("name", [*PIXELS, "emoji-tiny"])
def test_a_model_is_described_as_ddpm_core_describes_it(answers, name):
    model = read(fetch(parse(name), check)).spec
    spec = answers[name][1]["spec"]
    assert (spec["T"], spec["prediction"], spec["variance"], spec["clip"]) == (
        *(model.schedule.T, model.prediction, model.variance, model.clip),
    )
    assert spec["last"] == pytest.approx([model.schedule.beta[-1].item(), model.schedule.alpha_bar[-1].item()])
    assert (spec["channels"], spec["size"], spec["offset"]) == (model.channels, model.image_size, model.leading_offset)
    assert (spec["pictureChannels"], spec["pictureSize"]) == (model.picture_channels, model.picture_size)
    assert (spec["classes"], spec["nullLabel"]) == (model.num_classes, model.null_label)
    assert spec["classNames"] == list(model.class_names or ())
    assert (spec["student"] or {}).get("times") == (list(model.student.times) if model.student else None)
    assert (spec["gamma"] is None) == (model.gamma is None)
    times = (spec["optimised"] or {}).get("times", {})
    found = {
        sampler: {int(n): tuple(map(int, text.split())) for n, text in of.items()} for sampler, of in times.items()
    }
    assert found == (model.optimised or {})


# What is wrong with a checkpoint, and what the sentence must say. "unet", "scheduler" and "own" change JSON files,
# "weights" the tensors, "write" whole files.
LARGE = {
    **{"sample_size": 1024, "block_out_channels": [32, 32], "layers_per_block": 8, "add_attention": False},
    **{"down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2},
}
REFUSED = {
    "no class": (
        {"unet": {"_class_name": ...}},
        "the network is a model without a class name: only a UNet2DModel can be",
    ),
    "another class": ({"unet": {"_class_name": "UNet1DModel"}}, "the network is a UNet1DModel"),
    "words alone": (
        {"unet": {"_class_name": "UNet2DConditionModel"}},
        "only a UNet2DModel can be loaded without a text",
    ),
    "blocks": (
        {"unet": {"down_block_types": ["KDownBlock2D", "DownBlock2D"]}},
        "down_block_types must be a list of 1 to 8",
    ),
    "resampling": ({"unet": {"downsample_type": "resnet"}}, 'downsample_type must be conv, got "resnet"'),
    "middle": ({"unet": {"mid_block_type": "Other"}}, "mid_block_type must be UNetMidBlock2D or null"),
    "times": ({"unet": {"time_embedding_type": "fourier"}}, "time_embedding_type must be positional or learned"),
    "learned times": ({"unet": {"time_embedding_type": "learned"}}, "the schedule has 1000 times, but config.json's"),
    "class embeddings": ({"unet": {"class_embed_type": "timestep"}}, 'class_embed_type must be null, got "timestep"'),
    "activation": ({"unet": {"act_fn": "snake"}}, "act_fn must be silu or swish or mish or gelu or relu"),
    "shift": ({"unet": {"resnet_time_scale_shift": "ada_group"}}, "resnet_time_scale_shift must be default or"),
    "unknown field": ({"unet": {"rotary": True}}, "rotary true is not supported in a UNet2DModel"),
    "no size": ({"unet": {"sample_size": None}}, "sample_size must be a whole number from 1 to 1,024, got null"),
    "oblong": ({"unet": {"sample_size": [8, 16]}}, "sample_size must be a whole number from 1 to 1,024, got [8,16]"),
    "odd size": ({"unet": {"sample_size": 9}}, "sample_size must be a multiple of 2 with 2 levels, got 9"),
    "levels": ({"unet": {"block_out_channels": [8]}}, "down_block_types has 2 entries, but block_out_channels 1"),
    "many levels": ({"unet": {"block_out_channels": [8] * 9}}, "block_out_channels must be a list of 1 to 8"),
    "narrow": ({"unet": {"block_out_channels": [2, 4], "freq_shift": 1}}, "too few for the time embedding"),
    "groups": ({"unet": {"norm_num_groups": 3}}, "norm_num_groups is 3: 8 channels can't be parted into so many"),
    # What a small file can ask for.
    "pixels": ({"unet": {"sample_size": 2048}}, "sample_size must be a whole number from 1 to 1,024, got 2048"),
    "large layer": ({"unet": LARGE | {"block_out_channels": [128, 128]}}, "a layer has 134,217,728 numbers: a browser"),
    "pixels that attend": ({"unet": {"sample_size": 512}}, "attention over 65,536 pixels is too much: 16,384 at most"),
    "work": ({"unet": LARGE}, "one evaluation takes more than the 300 billion multiplications that a browser can bear"),
    "heads": ({"unet": {"attention_head_dim": 9000}}, "must be a whole number from 1 to 8,192 or null, got 9000"),
    "many times": (
        {"scheduler": {"num_train_timesteps": 120_000_000}},
        "a whole number from 1 to 10,000, got 1200000",
    ),
    "many betas": ({"scheduler": {"trained_betas": [0.1] * 10_001}}, "a list of 1 to 10,000, each a number from 0"),
    "one beta": ({"scheduler": {"trained_betas": 0.1}}, "each a number from 0 to 1, got 0.1"),
    "long JSON": ({"write": {"ddpm_core.json": b" " * 500_000 + b"{}"}}, "ddpm_core.json is larger than 500 kB"),
    "long header": (
        {"write": {"diffusion_pytorch_model.safetensors": (2**24 + 9).to_bytes(8, "little") + b" " * (2**24 + 9)}},
        "is damaged or cut off",
    ),
    "shared bytes": ({"share": "conv_in.bias"}, "is damaged or cut off"),
    "half a layer": ({"unet": {"layers_per_block": 1.5}}, "layers_per_block must be a whole number from 1 to 16"),
    "channels": (
        {"unet": {"out_channels": 6}},
        "the network gives 6 channels, which does not fit 3 with variance beta",
    ),
    "schedule": ({"scheduler": {"beta_schedule": "exponential"}}, 'unknown beta_schedule "exponential"'),
    "no schedule": ({"scheduler": {"beta_schedule": ...}}, "DDPMScheduler is not a DDPM or DDIM scheduler"),
    "beta": ({"scheduler": {"beta_end": 1}}, "alpha_bar gets too close to 0"),
    "large beta": ({"scheduler": {"beta_end": 2}}, "beta_end must be a number from 0 to 1, got 2"),
    "prediction": ({"scheduler": {"prediction_type": "score"}}, "prediction_type must be null or epsilon or sample or"),
    "own corrections": ({"own": {"snr": 0.2}}, "snr and corrections of its own are not supported in a browser"),
    "own prediction": ({"own": {"prediction": "score"}}, 'unknown prediction "score"'),
    "another schedule": ({"own": {"schedule": {"beta_schedule": "steep"}}}, 'unknown beta_schedule "steep"'),
    "another family": ({"own": {"schedule": {"_class_name": "EDMEulerScheduler"}}}, "EDMEulerScheduler is not a DDPM"),
    "betas of another schedule": ({"own": {"schedule": {"trained_betas": [2]}}}, "each a number from 0 to 1"),
    "another schedule for μ̃": (
        {"own": {"prediction": "mu", "schedule": {"beta_schedule": "linear"}}},
        "works only with the schedule of its training",
    ),
    "a flow's coordinates": ({"own": {"prediction": "flow"}}, "a flow needs the coordinates RectifiedFlow, got null"),
    "variance": ({"scheduler": {"variance_type": "wide"}}, "variance_type must be null or fixed_small"),
    "learned variance": (
        {"scheduler": {"variance_type": "learned_range"}},
        "gives 3 channels, which does not fit 3 with",
    ),
    "thresholding": ({"scheduler": {"thresholding": True}}, "thresholding must be false, got true"),
    "clipping": ({"scheduler": {"clip_sample_range": 2}}, "clip_sample_range is 2: only 1, or clip_sample false"),
    "null label": ({"own": {"null_label": 3}}, "null_label must be the last of the 0 class embeddings, got 3"),
    "class names": ({"own": {"class_names": ["cat"]}}, 'class_names must be a list of 0 names, got ["cat"]'),
    "student": ({"own": {"student": {"method": "magic", "times": [1000]}}}, 'unknown method "magic" of a student'),
    "student's times": (
        {"own": {"student": {"method": "consistency", "times": [500]}}},
        "times descend from 1000 to 1",
    ),
    "pipeline": ({"index": {"image_encoder": ["transformers", "CLIP"]}}, "the pipeline also needs image_encoder"),
    "no config": ({"remove": "config.json"}, "it is not a UNet2DModel checkpoint: there is no config.json"),
    "no scheduler": ({"remove": "scheduler_config.json"}, "it has no scheduler_config.json"),
    "JSON": ({"write": {"config.json": b"{"}}, "config.json cannot be read as a JSON object"),
    "a list": ({"write": {"config.json": b"[]"}}, "config.json cannot be read as a JSON object"),
    "a pickle": (
        {"remove": "diffusion_pytorch_model.safetensors"},
        "in a .bin, which is a pickle, or in parts",
    ),
    "empty": ({"write": {"diffusion_pytorch_model.safetensors": b""}}, "is damaged or cut off: load it again"),
    "no header": ({"write": {"diffusion_pytorch_model.safetensors": b"\x00" * 64}}, "is damaged or cut off"),
    "cut off": ({"cut": 1000}, "is damaged or cut off"),
    "packed and cut off": (
        {"write": {"diffusion_pytorch_model.safetensors.packed": pack(b"weights")[:-5]}},
        "diffusion_pytorch_model.safetensors is damaged or cut off: load it again",
    ),
    "lacks": ({"weights": {"conv_in.bias": None}}, "does not fit config.json: it lacks conv_in.bias"),
    "has also": ({"weights": {"more": torch.zeros(1)}}, "does not fit config.json: it has also more"),
    "shape": ({"weights": {"conv_in.bias": torch.zeros(9)}}, "conv_in.bias has shape 9, not 8"),
    "NaN": ({"weights": {"conv_in.bias": torch.full((8,), torch.nan)}}, "holds NaN or numbers too large"),
    "integers": (
        {"weights": {"conv_in.bias": torch.zeros(8, dtype=torch.int32)}},
        "conv_in.bias as I32: F32, F16, BF16",
    ),
    "gamma": ({"write": {"analytic_variance.json": b'{"times": [5, 1], "gamma": [1, 2]}'}}, "is not a table of"),
    "empty gamma": ({"write": {"analytic_variance.json": b'{"times": [1], "gamma": [null]}'}}, "is not a table of"),
    "gamma in letters": ({"write": {"analytic_variance.json": b'{"times": [1], "gamma": ["1"]}'}}, "is not a table of"),
    "no steps": ({"write": {"optimised_steps.json": b'{"times": {"ddim": null}}'}}, "is not a list of optimised"),
    "steps": ({"write": {"optimised_steps.json": b'{"times": {"ddim": {"2": "1 5"}}}'}}, "is not a list of optimised"),
}
FILES = {
    "unet": "config.json",
    "scheduler": "scheduler_config.json",
    "own": "ddpm_core.json",
    "index": "model_index.json",
}


def damaged(folder, network, wrong):
    write(folder, network)
    for part, name in FILES.items():
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        changed = {key: value for key, value in (content | wrong.get(part, {})).items() if value is not ...}
        write_json(path, changed)
    weights = folder / "diffusion_pytorch_model.safetensors"
    if "weights" in wrong:
        tensors = load_file(weights) | wrong["weights"]
        save_file({name: value for name, value in tensors.items() if value is not None}, weights)
    if "cut" in wrong:
        weights.write_bytes(weights.read_bytes()[: wrong["cut"]])
    if "share" in wrong:  # a tensor more, of the bytes of another
        length = int.from_bytes(weights.read_bytes()[:8], "little")
        header = json.loads(weights.read_bytes()[8 : 8 + length])
        text = json.dumps(header | {"more": header[wrong["share"]]}).encode()
        weights.write_bytes(len(text).to_bytes(8, "little") + text + weights.read_bytes()[8 + length :])
    if "remove" in wrong:
        (folder / wrong["remove"]).unlink()
    for name, content in wrong.get("write", {}).items():
        if name.endswith("s.json") or name.startswith("analytic"):  # of these very weights
            own = {"weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
            content = json.dumps(json.loads(content) | own).encode()
        (folder / name).write_bytes(content)
    return {"folder": str(folder)}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    folder, network = tmp_path_factory.mktemp("damaged"), randomised(UNet2DModel(**SMALL))
    cases = [damaged(folder / str(i), network, wrong) for i, (wrong, _) in enumerate(REFUSED.values())]
    return dict(zip(REFUSED, ask(folder, cases), strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_computed_gets_a_sentence(refusals, name):
    answer = refusals[name]
    assert REFUSED[name][1] in answer.get("error", "loaded")
    assert answer["error"].startswith("here: ")


@pytest.mark.parametrize("more", [0, 1])
def test_packed_weights_give_the_same_numbers(tmp_path, more):
    """more: spaces at the end of the header, so that the length of the file is even and odd."""
    folder = write(tmp_path / "plain", randomised(UNet2DModel(**SMALL)))
    weights = folder / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    length = int.from_bytes(content[:8], "little")
    content = (length + more).to_bytes(8, "little") + content[8 : 8 + length] + b" " * more + content[8 + length :]
    weights.write_bytes(content)
    shutil.copytree(folder, tmp_path / "packed")
    (tmp_path / "packed" / weights.name).unlink()
    (tmp_path / "packed" / f"{weights.name}{SUFFIX}").write_bytes(pack(content))
    evaluations = [{"x": packed(pictures(1, 3, 8)), "t": 10}]
    cases = [{"folder": str(tmp_path / name), "evaluations": evaluations} for name in ("plain", "packed")]
    answers = ask(tmp_path, cases)
    assert answers[0] == answers[1] and "error" not in answers[0]


def test_sentences_about_names_of_any_length_are_short(tmp_path):
    wrong = {"index": {f"part{i}": ["library", "Class" * 50] for i in range(999)}}
    (answer,) = ask(tmp_path, [damaged(tmp_path / "long", randomised(UNet2DModel(**SMALL)), wrong)])
    assert answer["error"].startswith("here: the pipeline also needs part0") and len(answer["error"]) < 320


def test_limits_are_those_of_ddpm_core(tmp_path):
    (found,) = ask(tmp_path, [{"limits": True}])
    for key, (low, high) in found.items():
        same = LIMITS[key.removeprefix("encoder_").removeprefix("decoder_")]
        assert (low, math.inf if high is None else high) == same, key


def test_what_a_network_costs_is_known_before_it_is_computed(answers):
    for name in ("mnist-tiny", "cifar10-tiny", "scale and shift", "heads that leave channels"):
        config = json.loads((Path(answers[name][0].case["folder"]) / "config.json").read_text())
        assert answers[name][1]["spec"]["seconds"] == pytest.approx(network_cost(config).flop / 2 / 5e9), name


TOKENS = {"<|startoftext|>": 0, "<|endoftext|>": 1}
LATENT_REFUSED = {
    "vae/config.json   ": (
        {key: [128] * 6 for key in ("encoder_block_out_channels", "decoder_block_out_channels")}
        | {"num_decoder_blocks": [16] * 6},
        "one evaluation takes more than the 300 billion multiplications",
    ),
    "vae/config.json": ({"_class_name": "AutoencoderKL"}, "the autoencoder is a AutoencoderKL: in the browser only an"),
    "vae/config.json ": ({"latent_channels": 4}, "the network draws 16 channels, and the latents have 4"),
    "vae/config.json  ": ({"num_decoder_blocks": [2]}, "num_decoder_blocks must be 4 numbers"),
    "text_encoder/config.json": (
        {"hidden_size": 32},
        "the text encoder gives 32 numbers a token, and the",
    ),
    "text_encoder/config.json ": ({"vocab_size": 99}, "the tokenizer has more tokens than the text encoder"),
    "text_encoder/config.json  ": ({"model_type": "t5"}, 'model_type must be clip_text_model, got "t5"'),
    "tokenizer/tokenizer.json": ({"model": {}}, "the files in tokenizer/ are not a tokenizer of CLIP"),
    "tokenizer/tokenizer.json ": ({"model": {"vocab": TOKENS, "merges": 3}}, "are not a tokenizer of CLIP: merges or"),
    "tokenizer/tokenizer.json  ": (
        {"model": {"vocab": TOKENS | {"a": 999_999}, "merges": []}},
        "must have numbers from 0",
    ),
    "unet/config.json": ({"addition_embed_type": "text_time"}, "addition_embed_type must be null or text, got"),
    "unet/config.json ": ({"class_embed_type": "projection"}, "class_embed_type must be null"),
    "unet/config.json  ": ({"dual_cross_attention": True}, "dual_cross_attention true is not supported"),
}


def test_parts_of_latent_models_that_do_not_fit_get_a_sentence(tmp_path):
    cases = []
    for i, (path, (change, _)) in enumerate(LATENT_REFUSED.items()):
        shutil.copytree(CHECKPOINTS / "emoji-tiny", tmp_path / str(i), copy_function=os.symlink)
        file = tmp_path / str(i) / path.strip()
        content = json.loads(file.read_text()) | change
        file.unlink()
        write_json(file, content)
        cases.append({"folder": str(tmp_path / str(i))})
    for (_, said), answer in zip(LATENT_REFUSED.values(), ask(tmp_path, cases), strict=True):
        assert said in answer.get("error", "loaded")


def test_weights_decide_whether_what_lies_beside_them_counts(answers):
    assert answers["steps of other weights"][1]["spec"]["optimised"] is None


def test_a_model_on_another_schedule_has_that_one_and_nothing_of_the_former(answers):
    spec = answers["another schedule"][1]["spec"]
    assert (spec["T"], spec["optimised"]) == (5, None)
    assert spec["last"] == pytest.approx([1 - 1e-5, 1e-6])
