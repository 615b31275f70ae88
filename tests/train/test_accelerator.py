"""Sampling, training, distilling and evaluating on a pretend CUDA device, an older one and Apple's, against the CPU."""

import contextlib
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pretend
import pytest
import torch
from accelerate.state import AcceleratorState, PartialState
from diffusers import AutoencoderTiny
from test_distill import METHODS, make_teacher, words
from toy import TWO_LEVELS, small_unet
from training import LEVELS, fit, flags, make_folder, process_restored, tiny, weights  # noqa: F401

import ddpm_core
from benchmarks.first_gpu import colours
from ddpm_core import Model, NoiseSchedule, bits_per_dim, latents, optimise_timesteps, restore, seeded_noise, trajectory
from ddpm_core.analytic import estimate_gamma
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.engines.torch import chunks
from ddpm_core.imaging import to_uint8
from ddpm_core.noise import gaussian_batch
from ddpm_core.student import Student
from train import TrainError
from train.__main__ import main
from train.autoencoder.config import AutoencoderConfig
from train.autoencoder.trainer import AutoencoderTrainer
from train.common.config import PRESETS
from train.distill.start import parse_distill, stages
from train.distill.task import Distilling
from train.distill.teacher import complete
from train.evaluate.options import Options
from train.evaluate.study import Study
from train.fit.flags.quickest import on_device
from train.fit.inputs import processes
from train.fit.outputs.progress import Window
from train.fit.state import last_good_checkpoint
from train.fit.trainer import Trainer

T4 = (7, 5)
DEVICES = [("cuda", (9, 0)), ("cuda", T4), ("mps", None)]


@pytest.fixture(params=DEVICES, ids=["cuda", "t4", "mps"])
def device(request):
    """The kind of a device that this machine has for the whole test."""
    with pretend.accelerator(*request.param):
        yield request.param[0]


# In float32, where one CUDA device is as another
TWO = pytest.mark.parametrize("device", [DEVICES[0], DEVICES[2]], ids=["cuda", "mps"], indirect=True)


def small_model(device, precision="fp32", blocks=None, **fields):
    classes = fields.get("num_classes", 0) + 1 if fields else None
    network = wrap(small_unet(num_class_embeds=classes, **(blocks or {})), device, precision, "torch")
    return Model(
        network=network,
        schedule=NoiseSchedule.linear(40, 1e-3, 0.4),
        image_size=8,
        **{"prediction": "epsilon", **fields},
    )


# The pretend device itself


def test_the_pretend_device_keeps_a_devices_rules():
    x = torch.arange(6.0).reshape(2, 3)
    with pretend.accelerator("cuda") as waits:
        y = x.to("cuda")
        assert (y.device, y.is_cuda, x.is_cuda) == (torch.device("cuda:0"), True, False)
        assert torch.equal((y * 2 + torch.ones(3, device="cuda")).cpu(), x * 2 + 1)
        with pytest.raises(RuntimeError, match="all tensors to be on the same device"):
            y + x
        with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
            np.asarray(y)
        waits.clear()
        x.pin_memory().to("cuda", non_blocking=True)
        y[torch.zeros(1, dtype=torch.int64, device="cuda")] + 1.5
        assert not waits
        x.to("cuda", non_blocking=True)  # from memory that is not pinned
        y.sum().item()
        assert sorted(waits.values()) == [1, 1]
    with pretend.accelerator("mps"), pytest.raises(TypeError, match="doesn't support float64"):
        x.double().to("mps")


# Sampling


@TWO
@pytest.mark.parametrize("options", [{"sampler": "ddpm"}, {"sampler": "ddim", "eta": 1.0}, {"sampler": "unipc"}])
def test_a_seeds_picture_is_that_of_the_cpu(device, options):
    expected, found = (
        ddpm_core.sample(small_model(place, blocks=TWO_LEVELS), [3, 4], 3, **options) for place in ("cpu", "auto")
    )
    assert np.array_equal(found, expected)


@TWO
def test_one_picture_is_computed_as_one(device):
    model, batches = small_model("auto"), []
    model.network.unet.register_forward_pre_hook(lambda _, arguments: batches.append(len(arguments[0])))
    ddpm_core.sample(model, [0], 1)
    assert batches == [1]


def test_a_graph_is_recorded_once_for_each_size_and_gives_the_same_pictures():
    fields = {"num_classes": 2, "null_label": 2}
    arguments = {"steps": 3, "labels": [0, 1], "guidance": 2.0}
    expected = [ddpm_core.sample(small_model("cpu", **fields), seeds, **arguments) for seeds in ([5, 6], [7, 8])]
    with pretend.accelerator("cuda"):
        network = wrap(small_unet(num_class_embeds=3), "auto", "fp32", "graph")
        model = Model(
            network=network,
            schedule=NoiseSchedule.linear(40, 1e-3, 0.4),
            image_size=8,
            **{"prediction": "epsilon", **fields},
        )
        assert network.description.startswith("CUDA graph")
        assert np.array_equal(ddpm_core.sample(model, [5, 6], **arguments), expected[0])
        calls = []
        network.unet.register_forward_pre_hook(lambda *_: calls.append(1))
        assert np.array_equal(ddpm_core.sample(model, [7, 8], **arguments), expected[1])
        assert not calls  # replayed
    with pytest.warns(UserWarning, match="graphs are for CUDA"):
        assert wrap(small_unet(), "cpu", "fp32", "graph").description.startswith("torch")


def test_a_graph_is_recorded_on_the_gpu_of_its_network_one_at_a_time(monkeypatch):
    """torch records on one stream of the current device: two at once fail, and one for another GPU is empty."""
    at_once, most, devices = [], [], []

    @contextlib.contextmanager
    def recording(*_, **__):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.05)
        yield
        at_once.pop()

    with pretend.accelerator("cuda"):
        monkeypatch.setattr(torch.cuda, "graph", recording)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
        entered = lambda device: devices.append(str(device)) or contextlib.nullcontext()  # noqa: E731
        monkeypatch.setattr(torch.cuda, "device", entered)
        networks = [small_unet(), small_unet()]
        with ThreadPoolExecutor(2) as pool:
            assert len(list(pool.map(lambda network: wrap(network, "cuda:0", "fp32", "graph"), networks))) == 2
    assert most == [1, 1] and set(devices) == {"cuda:0"}


@pytest.mark.parametrize("n", [1, 5, 8, 9, 36, 100, 700])
def test_chunks_hold_all_images_and_are_at_least_half_full(n):
    taken = chunks(n, (256, 64, 8, 1))
    assert sum(images for images, _ in taken) == n
    assert all(images <= size <= max(1, 2 * images) for images, size in taken)
    assert len(taken) <= 2 + n // 256 + 7


BUDGET = {"unipc": 22}  # waits, of diffusers' own code, which makes its small matrices on the CPU; all others have none


@pytest.mark.parametrize(
    "options",
    [
        *({"sampler": sampler} for sampler in ("ddpm", "ddim", "dpm++", "unipc")),
        {"sampler": "ddim", "eta": 1.0},
        {"labels": [0, 1], "guidance": 2.0},
        {"x_T": torch.zeros(2, 3, 8, 8, dtype=torch.float16)},
    ],
    ids=lambda options: "-".join(f"{name}={getattr(value, 'dtype', value)}" for name, value in options.items()),
)
def test_sampling_never_waits_after_its_first_step(options):
    with pretend.accelerator("cuda") as waits:
        model = small_model("cuda", "fp16", num_classes=2, null_label=2, prediction="v")
        run = trajectory(model, [1, 2], 5, **options)
        next(run)
        waits.clear()
        assert len(list(run)) == 4
        assert waits.total() <= BUDGET.get(options.get("sampler"), 0), waits


def test_a_consistency_student_and_a_learned_variance_never_wait():
    network = small_unet(**TWO_LEVELS)
    network.conv_out = torch.nn.Conv2d(8, 6, 3, padding=1)
    student = Student("consistency", (40, 20, 10))
    for changes, n in (({"student": student, "prediction": "v"}, 3), ({"variance": "learned_range"}, 5)):
        with pretend.accelerator("cuda") as waits:
            model = replace(small_model("cuda"), **changes)
            if "variance" in changes:
                model.network = wrap(network, "cuda", "fp32", "torch")
            run = trajectory(model, [1, 2], n)
            next(run)
            waits.clear()
            assert len(list(run)) == n - 1 and not waits, waits


def test_noise_is_drawn_and_pinned_while_the_gpu_computes(monkeypatch):
    x, threads = torch.zeros(2, 3, 8, 8), []
    with pretend.accelerator("cuda"):
        pin = torch.Tensor.pin_memory
        name = lambda: threading.current_thread().name.partition("_")[0]  # noqa: E731
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: threads.append(name()) or pin(self))
        noise, near = seeded_noise([1, 2]), x.to("cuda")
        got = [noise(index, near).cpu() for index in range(3)]
    assert all(torch.equal(z, gaussian_batch([1, 2], index + 1, (3, 8, 8))) for index, z in enumerate(got))
    assert threads.count("MainThread") == 1 and set(threads) == {"MainThread", "ddpm-noise"}


MEASUREMENTS = {
    "mask": lambda: restore.mask(torch.eye(8)),
    "blur": lambda: restore.blur(restore.gaussian_kernel(1.0, 8), 8),
    "grey": lambda: restore.grey(0.1),
}


@pytest.mark.parametrize(
    ("method", "name", "device"),
    [(restore.RePaint(1, 2), "mask", DEVICES[0]), ("ddnm", "grey", DEVICES[2]), ("pigdm", "blur", DEVICES[2])],
    ids=["repaint", "ddnm", "pigdm"],
    indirect=["device"],
)
def test_a_restoration_is_that_of_the_cpu(method, name, device):
    found = []
    for place in ("cpu", "auto"):
        A = MEASUREMENTS[name]()
        y = A.observe(torch.zeros(1, 3, 8, 8), [0])
        *_, last = restore.restore(small_model(place), y, A, method, seeds=[1, 2], steps=2)
        found.append(last.x.cpu())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_restoration_never_waits_after_its_first_step(name):
    with pretend.accelerator("cuda") as waits:
        A, model = MEASUREMENTS[name](), small_model("cuda")
        for method in ("ddnm", "pigdm"):
            run = restore.restore(model, A.observe(torch.zeros(1, 3, 8, 8), [0]), A, method, seeds=[1, 2], steps=3)
            next(run)
            waits.clear()
            assert len(list(run)) == 2 and not waits, waits


@TWO
def test_latents_likelihood_and_steps_are_those_of_the_cpu(device):
    images, found = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8), []
    for place in ("cpu", "auto"):
        model = small_model(place)
        x_t = latents.encode(model, images, 20, [1, 2])
        best = optimise_timesteps(model, [1], [1], 3, samplers=["unipc"])
        pictures = latents.reconstruct(model, x_t, 20, [1, 2], 1)
        bits, gamma = bits_per_dim(model, images, steps=2), estimate_gamma(model, images, [1, 20])
        found.append([best.times, pictures.tolist(), bits.total.tolist(), gamma.gamma.tolist()])
    assert found[0][:2] == found[1][:2]
    assert found[1][2] == pytest.approx(found[0][2]) and found[1][3] == pytest.approx(found[0][3])


def test_a_likelihood_fills_the_device():
    """32 evaluations at once would be computed as 64."""
    images = np.zeros((16, 8, 8, 3), np.uint8)
    with pretend.accelerator("cuda"):
        model, batches = small_model("cuda"), []
        model.network.unet.register_forward_pre_hook(lambda _, arguments: batches.append(len(arguments[0])))
        bits_per_dim(model, images, steps=33, spacing="linspace")
    assert batches == [256, 256, 8, 8]


def test_pixels_leave_the_device_as_bytes():
    x = torch.linspace(-1.2, 1.2, 4 * 3 * 8 * 8).reshape(4, 3, 8, 8)
    with pretend.accelerator("cuda"):
        assert np.array_equal(to_uint8(x.to("cuda")), to_uint8(x))


# Precision


def test_auto_is_fp16_where_a_network_stays_finite(device):
    model = small_model("auto", "auto")
    expected = "fp32" if device == "mps" else "fp16"
    assert model.network.description == f"torch · {device} · {expected}"
    assert next(model.network.unet.parameters()).dtype == getattr(
        torch, {"fp16": "float16", "fp32": "float32"}[expected]
    )


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bf16"), (T4, "fp32")])
def test_auto_of_a_network_that_overflows_in_fp16(capability, expected):
    network = small_unet()
    exact = network.conv_in.weight.data.mul_(1e6).clone()
    with pretend.accelerator("cuda", capability):
        wrapped = wrap(network, precision="auto")
        assert wrapped.description == f"torch · cuda · {expected}"
        kept = wrapped.unet.conv_in.weight.cpu()
    assert torch.equal(kept, exact.to(kept.dtype))  # not what fp16 makes of them


def test_a_gpu_that_has_no_bf16_refuses_it():
    with pretend.accelerator("cuda", T4), pytest.raises(ValueError, match="no bf16 and would emulate it: use fp16"):
        small_model("cuda", "bf16")


def test_fp32_is_no_tf32(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pretend.accelerator("cuda"):
        half = wrap(small_unet(), "cuda", "fp16", exact=small_unet)
        assert torch.backends.cudnn.allow_tf32
        half.with_gradients(torch.zeros(1, 3, 8, 8), torch.zeros(1, dtype=torch.int64))
        assert not torch.backends.cudnn.allow_tf32
        for exact in (lambda: small_model("cuda", "fp32"), lambda: LatentDecoder(torch.nn.Linear(1, 1), half.device)):
            monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
            exact()
            assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("device", [DEVICES[0], DEVICES[2]], ids=["cuda", "mps"], indirect=True)
def test_channels_are_innermost_but_on_apples_gpus(device):
    """Where kernels for that give wrong numbers."""
    weight = small_model("auto").network.unet.conv_in.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == (device == "cuda")
    assert weight.is_contiguous() == (device == "mps")


@pytest.mark.parametrize(
    ("place", "capability", "asked", "expected"),
    [
        ("cuda", (8, 0), "auto", ("bf16", True)),
        ("cuda", T4, "auto", ("fp16", True)),
        ("cuda", T4, "fp32", ("fp32", False)),
        ("cpu", None, "auto", ("auto", False)),
    ],
)
def test_what_training_computes_in(place, capability, asked, expected):
    with pretend.accelerator("cuda", capability):
        got = on_device(replace(PRESETS["cifar10"], precision=asked), torch.device(place))
    assert (got.precision, got.channels_last) == expected


# Training and distilling


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), 12)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("lab") / "tiny-teacher")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """What the CPU makes of the same run, in float32."""
    out = tmp_path_factory.mktemp("trained") / "cpu"
    fit(tiny(data, out, **RUN, **LEVELS, precision="fp32"))
    return weights(out, 2, "ema")


RUN = {"steps": 2, "checkpoint_every": 2, "conditional": True, "prediction": "v", "optimizer": "muon"}


def close(got, expected, tolerance):
    return all(torch.allclose(got[name], expected[name], atol=tolerance, rtol=0) for name in expected)


@TWO
def test_a_run_makes_the_weights_of_the_cpu(device, trained, data, tmp_path):
    fit(tiny(data, tmp_path, **RUN, **LEVELS, device="auto", precision="fp32"))
    assert close(weights(tmp_path, 2, "ema"), trained, 1e-3)
    assert not weights(tmp_path, 2)["conv_in.weight"].is_cuda


def test_a_run_in_auto_precision_goes_on_on_the_cpu(data, tmp_path):
    with pretend.accelerator("cuda", T4):
        trainer = fit(tiny(data, tmp_path, **RUN, device="auto"))
        assert trainer.config.precision == "fp16" and trainer.accelerator.scaler is not None
    AcceleratorState._reset_state(reset_partial_state=True)
    assert main(["fit", "--resume", "--out", str(tmp_path), "--steps", "3", "--device", "cpu"]) == 0
    assert weights(tmp_path, 3, "config")["precision"] == "auto"


@pytest.mark.parametrize(
    ("changes", "capability", "budget"),
    [
        (LEVELS, (9, 0), 0),
        ({"loss": "hybrid", "variance": "learned_range", "prediction": "epsilon", "accumulate": 2}, (9, 0), 0),
        ({"optimizer": "adam", "min_snr": 5.0, "ema2": 0.9, "memory": 0.0}, T4, 1),  # fp16: did a gradient overflow?
    ],
    ids=["muon", "hybrid", "fp16"],
)
def test_training_never_waits_between_two_logs(changes, capability, budget, data, tmp_path):
    with pretend.accelerator("cuda", capability) as waits:
        trainer = Trainer(tiny(data, tmp_path, **{**RUN, **changes}, device="auto"))
        rounds, window = trainer.rounds(), Window(trainer.device)
        trainer.train_step(rounds, window)
        waits.clear()
        trainer.train_step(rounds, window)
        assert waits.total() <= budget, waits


def test_autoencoders_and_captions_never_wait_either(tmp_path):
    pytest.importorskip("transformers", reason="needed for words only")
    pictures = make_folder(tmp_path / "pictures", 4, (), (16, 16))
    lines = [json.dumps({"file_name": path.name, "text": "noise"}) for path in pictures.iterdir()]
    (pictures / "metadata.jsonl").write_text("\n".join(lines))
    AutoencoderTiny(
        **{f"{half}coder_block_out_channels": (8, 8) for half in ("en", "de")},
        **{f"num_{half}coder_blocks": (1, 1) for half in ("en", "de")},
    ).save_pretrained(tmp_path / "decoder")
    told = {"captions": True, "decoder": str(tmp_path / "decoder"), "flip": False, "attention": (8,), "image_size": 16}
    told |= {"text_width": 16, "text_layers": 1, "text_length": 8, "optimizer": "muon", "batch": 4, "device": "auto"}
    small = {"latent_channels": 4, "width": 8, "crop": 8, "image_size": 16, "batch": 4, "flip": False}
    makers = (
        lambda: Trainer(tiny(pictures, tmp_path / "words", **told)),
        lambda: AutoencoderTrainer(AutoencoderConfig(**small, data=str(pictures), out=str(tmp_path / "run"))),
    )
    for make in makers:
        AcceleratorState._reset_state(reset_partial_state=True)
        with pretend.accelerator("cuda") as waits:
            trainer = make()
            rounds, window = trainer.rounds(), Window(trainer.device)
            trainer.train_step(rounds, window)
            waits.clear()
            trainer.train_step(rounds, window)
            assert not waits, waits


def test_a_run_goes_on_while_its_checkpoints_are_written(data, tmp_path, monkeypatch):
    """And a full disk ends it in a sentence."""
    far, written = threading.Event(), []

    def save(state, folder, step):
        written.append(step)
        if step == 2:
            assert far.wait(60)  # until the run is beyond it
            kept.append(float(state["optimizer"]["state"][0]["step"]))
        elif step == 6:
            raise TrainError("The disk is full.")

    monkeypatch.setattr("train.fit.trainer.save_checkpoint", save)
    kept = []
    with pretend.accelerator("cuda"):
        trainer = Trainer(tiny(data, tmp_path, device="auto", checkpoint_every=2))
        step = trainer.train_step
        monkeypatch.setattr(trainer, "train_step", lambda *given: step(*given) or (trainer.step < 3 or far.set()))
        with pytest.raises(TrainError, match="The disk is full"):
            trainer.fit()
    assert written == [0, 2, 4, 6] and kept == [2.0]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_trainer_goes_on_after_it_was_stopped_and_ends_twice(device, data, tmp_path):
    pretended = pretend.accelerator("cuda") if device == "cuda" else contextlib.nullcontext()
    with pretended:
        trainer = Trainer(tiny(data, tmp_path, device="auto" if device == "cuda" else device, steps=3, log_every=1))
        assert trainer.fit(lambda point: point.step == 1) is not None and trainer.step == 1
        for _ in range(2):  # at its end, there is nothing to do
            assert trainer.fit() is None and trainer.step == 3
    last = last_good_checkpoint(trainer.out / "checkpoints")
    assert last == trainer.out / "checkpoints" / "step-000000003.pt" and (trainer.out / "model").is_dir()


def test_grids_are_drawn_in_the_precision_of_the_run(data, tmp_path, monkeypatch):
    asked, snapshot = [], Trainer.snapshot

    def noted(self, network, weights, engine="auto"):
        asked.append(engine)
        return snapshot(self, network, weights, engine)

    monkeypatch.setattr(Trainer, "snapshot", noted)
    with pretend.accelerator("cuda"):
        fit(tiny(data, tmp_path, **RUN, device="auto", sample_every=2))
    assert set(asked) == {"torch"}  # for the model in float32, which is not run
    assert len(list((tmp_path / "samples").iterdir())) == 2


@pytest.mark.parametrize(("kind", "precision"), [("cuda", "bf16"), ("mps", "fp32")])
def test_a_gpu_is_chosen_by_its_name(kind, precision, data, tmp_path):
    with pretend.accelerator(kind):
        trainer = Trainer(tiny(data, tmp_path, **RUN, device=kind, precision=precision))
        mixed = {"fp32": "no"}.get(precision, precision)
        assert trainer.device.type == kind and trainer.accelerator.mixed_precision == mixed
        assert next(trainer.unet.parameters()).device.type == kind


def test_a_mac_has_no_float64(data, tmp_path, capsys):
    words = flags(data=data, precision="fp64", device="auto")
    with pretend.accelerator("mps"):
        assert main(["fit", *words, "--out", str(tmp_path / "run")]) == 2
    assert "Apple's GPUs have no float64" in capsys.readouterr().err


def test_distilling_never_waits_either(teacher, data, tmp_path):
    for method, options in METHODS.items():
        with pretend.accelerator("cuda") as waits:
            flags = words(teacher, data, tmp_path / method, **{**options, "student_steps": 2})
            config = next(stages(complete(replace(parse_distill(flags[1:]), device="auto"))))
            trainer = Trainer(config, None, Distilling)
            rounds, window = trainer.rounds(), Window(trainer.device)
            trainer.train_step(rounds, window)
            waits.clear()
            trainer.train_step(rounds, window)
            assert not waits, waits
        AcceleratorState._reset_state(reset_partial_state=True)


def student(method, teacher, data, out, device):
    AcceleratorState._reset_state(reset_partial_state=True)
    changes = {"steps": 1, "checkpoint_every": 1, "precision": "fp32", **METHODS[method], "student_steps": 2}
    assert main(words(teacher, data, out, **changes, device=device)) == 0
    return weights(out / "2-steps" if method == "progressive" else out, 1)


@pytest.mark.parametrize(
    ("method", "device"), [*zip(METHODS, (DEVICES[2], DEVICES[0]), strict=True)], ids=METHODS, indirect=["device"]
)
def test_a_distillation_makes_the_student_of_the_cpu(method, device, teacher, data, tmp_path):
    expected, found = (student(method, teacher, data, tmp_path / place, place) for place in ("cpu", "auto"))
    assert close(found, expected, 1e-3)


def test_processes_wait_as_long_as_the_first_one_draws_samples(data, tmp_path, monkeypatch):
    """NCCL's ten minutes are too short for a chain of 1000 steps."""
    asked = {}
    monkeypatch.setattr(processes, "PartialState", lambda **options: asked.update(options) or PartialState(cpu=True))
    Trainer(tiny(data, tmp_path, **RUN))
    assert asked["timeout"] >= timedelta(hours=1)


def test_a_run_on_the_cpu_leaves_a_gpu_alone(data, tmp_path, monkeypatch):
    """Pinned memory would take half a gigabyte of it, for the context."""
    pinned = []
    with pretend.accelerator("cuda") as waits:
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: pinned.append(self) or self)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
        fit(tiny(data, tmp_path, **RUN, device="cpu"))
    assert not waits and not pinned


# Evaluating


def test_scores_are_computed_where_the_model_is():
    """Not on the first GPU."""
    network = SimpleNamespace(device="cuda:1")
    model = Model(network=network, schedule=NoiseSchedule.linear(), image_size=8, prediction="epsilon")
    process = SimpleNamespace(device=torch.device("cuda:0"))
    options = Options(checkpoint="", data="", out=Path("study"))
    study = Study(options, model, process)
    assert (study.device, study.batch) == (torch.device("cuda:1"), 256)  # which are computed at once
    network.device = "cpu"
    assert Study(options, model, process).batch == 100


@pytest.mark.parametrize("device", DEVICES[2:], ids=["mps"], indirect=True)  # benchmarks.first_gpu evaluates on CUDA
def test_an_evaluation_gives_the_numbers_of_the_cpu(device, tmp_path, monkeypatch):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("train.evaluate.report.draw_plots", lambda *_: None)
    monkeypatch.setitem(sys.modules, "colours", SimpleNamespace(features=colours))
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images)
    ddpm_core.save(small_model("cpu"), tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--data", str(tmp_path / "data.npz"), "--metrics", "fid,bpd"]
    words += ["--extractor", "colours:features", "--steps", "2", "--sampler", "ddim", "--variance", "beta"]
    words += ["--samples", "4", "--test-images", "1", "--precision", "fp32", "--engine", "torch"]
    rows = []
    for place in ("cpu", "auto"):
        AcceleratorState._reset_state(reset_partial_state=True)
        assert main([*words, "--out", str(tmp_path / place), "--device", place]) == 0
        found = json.loads((tmp_path / place / "results.json").read_text())
        rows.append(found["cells"][0]["scores"][0]["value"])
        rows.append(found["bits"]["chains"][0]["bits_per_dim"])
    assert rows[2:] == pytest.approx(rows[:2], rel=1e-5)
