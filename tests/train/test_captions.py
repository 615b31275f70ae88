"""`train fit` on captions, in latents: from a folder of pictures with words to a pipeline that draws them."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pipelines
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from training import as_words, assert_same, fit, process_restored, tiny, weights  # noqa: F401

from ddpm_core import Model, NoiseSchedule, load, q_sample, sample, save, trajectory
from ddpm_core.engines.choose import wrap
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.process import to_x0_eps
from ddpm_core.student import Student
from train import TrainError
from train.__main__ import main
from train.data.sources import open_source
from train.distill.end_to_end import Encoder, EndToEnd
from train.distill.losses import progressive_loss
from train.distill.start import parse_distill, stages
from train.distill.task import Distilling
from train.distill.teacher import complete
from train.fit.inputs.words import learn_words, make_prompted, make_tokenizer, text_of
from train.fit.outputs.export import check_new
from train.fit.state import load_latest
from train.fit.trainer import Trainer

pytest.importorskip("transformers", reason="needed for words only")
pytestmark = pytest.mark.usefixtures("torch_engine")
CAPTIONS = ["red square", "Green square", "a blue square", "grey square"]
WORDS = {"text_width": 16, "text_layers": 1, "text_length": 8}
COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (99, 99, 99)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    lines = []
    for i in range(8):
        Image.new("RGB", (16, 16), COLOURS[i % 4]).save(folder / f"{i}.png")
        lines += [{"file_name": f"{i}.png", "text": CAPTIONS[i % 4]}, {"file_name": f"{i}.png", "text": "square"}]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    pipelines.autoencoder(4).save_pretrained(folder)
    return folder


@pytest.fixture
def config(pictures, decoder, tmp_path):
    changes = {"image_size": 16, "channels": 3, "flip": False, "captions": True, "decoder": str(decoder)}
    changes |= {**WORDS, "batch": 4, "sample_count": 1}
    return tiny(pictures, tmp_path / "run", **changes, attention=(8,), optimizer="muon", prediction="v")


def test_a_folder_with_words_becomes_a_pipeline_that_is_told_words(config, tmp_path):
    trainer = fit(replace(config, steps=3, sample_every=3))
    assert trainer.images.shape == (4, 8, 8) and len(trainer.images) == 16
    assert (tmp_path / "run" / "samples" / "step-000000003-ema.png").is_file()
    folder = tmp_path / "run" / "model"
    model = load(folder, device="cpu", precision="fp32")
    assert model.takes_words and (model.picture_size, model.channels, model.prediction) == (16, 4, "v")
    options = {"steps": 2, "sampler": "ddim", "spacing": "trailing", "guidance": 2.0}
    told = {"prompts": ["red square", "blue square"], **options}
    assert sample(model, [1, 1], **told).shape == (2, 16, 16, 3)
    *_, last = trajectory(model, [1, 1], **told)
    assert not torch.equal(*last.x)
    assert StableDiffusionPipeline.from_pretrained(folder).unet.config.addition_embed_type == "text"
    shutil.rmtree(tmp_path / "run" / "checkpoints")  # a pipeline counts as a model where no run is left
    with pytest.raises(TrainError, match="holds a model"):
        check_new(config)
    assert "text-to-image" in (folder / "README.md").read_text()


def test_a_caption_may_be_longer_than_a_prompt(config, pictures, tmp_path):
    data = shutil.copytree(pictures, tmp_path / "data")
    lines = (data / "metadata.jsonl").read_text()
    (data / "metadata.jsonl").write_text(lines.replace('"red square"', json.dumps("red " * 300)))
    fit(replace(config, data=str(data), steps=1, sample_every=1))
    assert (tmp_path / "run" / "samples" / "step-000000001-ema.png").is_file()


def test_a_stopped_run_goes_on_bit_for_bit(config, tmp_path):
    whole = fit(config := replace(config, steps=4))
    half = replace(config, out=str(tmp_path / "half"))
    fit(replace(half, steps=2))
    state = load_latest(tmp_path / "half" / "checkpoints")[0]
    fit(half, state)
    for part in ("model", "ema"):
        assert_same(weights(tmp_path / "half", 4, part), weights(tmp_path / "run", 4, part))
    assert whole.images.labels is not None and whole.images.labels.shape == (16, 8)


def test_words_are_learned_from_captions_and_some_are_dropped(config):
    trainer = Trainer(replace(config, label_dropout=0.5))
    text = trainer.task.parts(trainer.ema.network)["text"]
    assert text.tokenizer.tokenize("Red square") == ["red</w>", "square</w>"]
    assert text.tokens(["red"]).shape == (1, 8)
    images = trainer.images
    assert images.captions[:2] == ["red square", "square"]
    assert torch.equal(images.labels[:2], text.tokens(["red square", "square"]))
    assert np.array_equal(images.label(0, dropped=True), text.tokens([""])[0].numpy())


@pytest.mark.parametrize("text", [None, "emoji-tiny"])
def test_words_are_learned_in_double_precision_too(config, tmp_path, text):
    """The moving average as well: it is copied where a text encoder is evaluated in float32."""
    trainer = fit(replace(config, precision="fp64", steps=2, sample_every=2, sample_seconds=1e-3, text=text))
    assert {p.dtype for part in (trainer.unet, trainer.ema.network) for p in part.parameters()} == {torch.float64}
    assert {value.dtype for value in weights(tmp_path / "run", 2, "ema").values()} == {torch.float64}
    assert sample(load(tmp_path / "run" / "model", device="cpu"), [1], 2, prompts="red").shape == (1, 16, 16, 3)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_a_text_encoder_of_a_checkpoint_stays_as_it_is(config, tmp_path, optimizer):
    fit(replace(config, steps=1))
    before = load(tmp_path / "run" / "model", device="cpu").text
    new = replace(
        config, text=str(tmp_path / "run" / "model"), out=str(tmp_path / "new"), text_width=64, steps=1, seed=5
    )
    fit(replace(new, optimizer=optimizer))
    after = load(tmp_path / "new" / "model", device="cpu").text
    assert torch.equal(after(["red square"]), before(["red square"]))
    first = weights(tmp_path / "new", 1, "model")["unet.conv_in.weight"]
    fit(replace(new, optimizer=optimizer, steps=2), load_latest(tmp_path / "new" / "checkpoints")[0])
    assert torch.equal(load(tmp_path / "new" / "model", device="cpu").text(["red"]), before(["red"]))
    assert not torch.equal(weights(tmp_path / "new", 2, "model")["unet.conv_in.weight"], first)
    state = load_latest(tmp_path / "new" / "checkpoints")[0]
    again = replace(new, optimizer=optimizer, steps=2)
    Trainer(replace(again, text=str(tmp_path / "new" / "model")), state)  # the same weights
    with pytest.raises(TrainError, match="the text encoder has other weights"):
        Trainer(replace(again, text="emoji-tiny"), state)


@pytest.fixture(scope="module")
def teacher(pictures, decoder, tmp_path_factory):
    """A model of words with random weights."""
    folder = tmp_path_factory.mktemp("teacher")
    words = learn_words(CAPTIONS)
    config = tiny(pictures, folder, **WORDS, attention=(8,), image_size=8, prediction="v", widths=(8, 8), norm_groups=4)
    tokenizer = make_tokenizer(words, config.text_length)
    torch.manual_seed(0)
    network = make_prompted(config, 4, 8, tokenizer)
    for weight in network.unet.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    model = Model(
        network=wrap(network.unet, "cpu", "fp32", "torch"),
        schedule=NoiseSchedule.cosine(40),
        **{"image_size": 8, "channels": 4, "prediction": "v", "variance": "beta_tilde", "clip": False},
        **{"latent": True, "factor": 2, "takes_words": True, "leading_offset": 1},
        decoder=LatentDecoder(pipelines.autoencoder(4), torch.device("cpu")),
        text=text_of(tokenizer, network, torch.device("cpu")),
    )
    save(model, folder / "words")
    return folder / "words"


def distilling(teacher, pictures, out, **changes):
    """The words of a command."""
    run = {"data": pictures, "out": out, "steps": 1, "batch": 4, "threads": 1, "device": "cpu", "checkpoint_every": 1}
    return ["distill", str(teacher), *as_words({**run, **changes})]


def test_a_student_learns_what_the_guided_teacher_draws_of_captions(teacher, pictures, tmp_path):
    line = distilling(teacher, pictures, tmp_path, teacher_steps=2, guidance=3.0)
    (config,) = stages(complete(parse_distill(line[1:])))
    trainer = Trainer(config, None, Distilling)
    generator = torch.Generator().manual_seed(0)
    x_0, eps = torch.randn(2, 3, 4, 8, 8, generator=generator)
    labels, t = torch.tensor([0, 3, -1]), torch.full((3,), 40)
    found = trainer.task.losses(trainer.network, x_0, t, eps, labels, t)

    model = load(teacher, device="cpu", precision="fp32", engine="torch")
    unet, schedule = model.network.unet, model.schedule
    states, none = model.text(["red square", "square", ""]), model.text([""]).expand(3, -1, -1)

    def x_0_of(w):
        def denoised(x, t):
            with torch.no_grad():
                v, away = (unet(x, t - 1, each, return_dict=False)[0] for each in (states, none))
            return to_x0_eps(schedule, "v", away + w * (v - away), x, t)[0]

        return denoised

    path = [torch.full((3,), time) for time in (40, 10, 0)]
    expected, unguided = (
        progressive_loss(schedule, x_0_of(1.0), x_0_of(w), q_sample(schedule, x_0, t, eps), path) for w in (3.0, 1.0)
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert torch.isclose(found, unguided, rtol=1e-3).tolist() == [False, False, True]


def test_the_encoder_sees_what_the_network_computes_of_no_words(teacher):
    model = load(teacher, device="cpu", precision="fp32", engine="torch")
    unet, none, states = model.network.unet, model.text([""]), []
    x, eps = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for block in (*unet.down_blocks, unet.mid_block):
        block.register_forward_hook(lambda _, inputs, output: states.append(output))
    with torch.no_grad():
        t = torch.full((3,), 5)
        unet(q_sample(model.schedule, x, t, eps), t - 1, none.expand(3, -1, -1))
        expected = [each for _, skips in states[:-1] for each in skips] + states[-1:]
        seen = Encoder(unet, model.schedule, [5], none, nullcontext)(x, [eps])
    for ours, theirs in zip(seen[1:], expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_student_that_takes_words_needs_no_guidance(teacher, pictures, tmp_path):
    made, whole = tmp_path / "made", tmp_path / "whole"
    line = distilling(teacher, pictures, made, teacher_steps=4, student_steps=2, guidance=3.0, sample_every=1)
    assert main(line) == 0
    more = {"method": "end-to-end", "student": made / "2-steps" / "model", "teacher_steps": 2}
    assert main(distilling(teacher, pictures, whole, **more)) == 0
    assert main(["distill", "--resume", "--out", str(whole), "--steps", "2"]) == 0
    before, after = (load(folder, device="cpu", engine="torch") for folder in (teacher, whole / "model"))
    assert after.student == Student("progressive", (40, 10), "words", 3.0)
    assert torch.equal(before.text(["red square"]), after.text(["red square"]))
    assert sample(after, [1], prompts="red square").shape == (1, 16, 16, 3)
    card = (whole / "model" / "README.md").read_text()
    assert "text-to-image" in card and "2 steps of UniPC, with guidance 3 |" in card


NEW = {
    **{"method": "end-to-end", "distance": "squared", "guidance": 3.0, "student_steps": 3},
    **{"teacher_steps": 6, "teacher_times": (40, 36, 30, 22, 15, 8)},
}


def test_a_new_student_learns_the_latents_that_the_guided_teacher_draws(teacher, pictures, tmp_path):
    (config,) = stages(complete(parse_distill(distilling(teacher, pictures, tmp_path, **NEW)[1:])))
    trainer = Trainer(config, None, EndToEnd)
    x_T, x_0 = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    t = torch.full((3,), 40)
    found = trainer.task.losses(trainer.network, x_0, t, x_T, torch.tensor([0, 3, -1]), t)

    model = load(teacher, device="cpu", precision="fp32", engine="torch")
    told = {"prompts": ["red square", "square", ""], "x_T": x_T}
    *_, last = trajectory(model, range(3), NEW["teacher_times"], "unipc", guidance=3.0, **told)
    ours = trajectory(model, range(3), (40, 30, 15), "ddim", **told)
    first, second, third = ((step.x0_hat - last.x).square().mean((1, 2, 3)) for step in ours)
    torch.testing.assert_close(found, third + 0.25 * (first + second) / 2, rtol=1e-4, atol=1e-6)


def test_a_new_student_begins_as_its_teacher_and_goes_on_bit_for_bit(teacher, pictures, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = {**NEW, "lr_decay": "none", "warmup": 0}
    assert main(distilling(teacher, pictures, whole, **options, steps=2)) == 0
    assert main(distilling(teacher, pictures, broken, **options)) == 0
    assert main(["distill", "--resume", "--out", str(broken), "--steps", "2"]) == 0
    assert_same(weights(broken, 2), weights(whole, 2))
    before, after = (load(folder, device="cpu", engine="torch") for folder in (teacher, whole / "model"))
    assert after.student == Student("progressive", (40, 30, 15), "words", 3.0)
    assert not torch.equal(before.network.unet.conv_out.weight, after.network.unet.conv_out.weight)
    card = (whole / "model" / "README.md").read_text()
    assert "by end-to-end distillation (Luhman" in card and "| the weights of the teacher |" in card
    assert "--teacher-times 40 36 30 22 15 8" in card


def test_a_text_encoder_needs_captions_and_words(config):
    with pytest.raises(TrainError, match="--text needs --captions"):
        Trainer(replace(config, captions=False, text="emoji-tiny"))
    with pytest.raises(TrainError, match="mnist-tiny takes no words"):
        Trainer(replace(config, text="mnist-tiny"))
    with pytest.raises(TrainError, match="--text nowhere"):
        Trainer(replace(config, text="nowhere"))


def test_the_same_captions_give_the_same_words_and_any_text_has_tokens():
    captions = ["a woman's hat", "Red   hat 42", "été"] * 2
    words = learn_words(captions)
    assert words == learn_words(captions)
    tokenizer = make_tokenizer(words, 12)
    assert tokenizer.tokenize("a woman's HAT") == ["a</w>", "woman</w>", "'s</w>", "hat</w>"]
    assert "<|endoftext|>" not in tokenizer.tokenize("Zebra ☃ 7_7")
    vocabulary = json.loads(words)["vocab"]
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    more = learn_words(["Zebra hats"], words)
    assert json.loads(more)["vocab"].items() >= vocabulary.items()
    larger = make_tokenizer(more, 12)
    assert larger.tokenize("zebra HATS") == ["zebra</w>", "hats</w>"]
    assert larger("a woman's HAT, été 42")["input_ids"] == tokenizer("a woman's HAT, été 42")["input_ids"]


def test_each_part_has_its_learning_rate(config):
    groups = Trainer(replace(config, text_rate=0.5, token_rate=2.0)).optimizer.param_groups
    rates = {(group["muon"], group["rate"]): len(group["params"]) for group in groups}
    assert set(rates) == {(True, 1.0), (False, 1.0), (False, 2.0), (False, 0.5)} and rates[False, 2.0] == 1


def test_latents_are_computed_once_and_again_for_other_weights(config, decoder, tmp_path):
    first = Trainer(config)
    path = tmp_path / "run" / "latents.safetensors"
    kept = path.read_bytes()
    assert torch.equal(Trainer(config).images.latents, first.images.latents) and path.read_bytes() == kept
    pipelines.autoencoder(4, seed=1).save_pretrained(tmp_path / "other")
    again = Trainer(replace(config, decoder=str(tmp_path / "other")))
    assert not torch.equal(again.images.latents, first.images.latents)
    fit(replace(config, steps=1))  # in the same folder, with the first weights
    kept, state = path.read_bytes(), load_latest(tmp_path / "run" / "checkpoints")[0]
    with pytest.raises(TrainError, match=r"This run was started with another --decoder: .* other weights"):
        Trainer(replace(config, decoder=str(tmp_path / "other")), state)
    assert path.read_bytes() == kept


def test_latents_are_computed_again_for_another_scaling(config, decoder, tmp_path):
    first = Trainer(config).images.latents
    scaled = shutil.copytree(decoder, tmp_path / "scaled")
    said = json.loads((scaled / "config.json").read_text())
    (scaled / "config.json").write_text(json.dumps(said | {"scaling_factor": 2.0, "shift_factor": 0.5}))
    again = replace(config, decoder=str(scaled))
    assert torch.allclose(Trainer(again).images.latents, 2 * (first - 0.5))
    fit(replace(config, steps=1))
    state = load_latest(tmp_path / "run" / "checkpoints")[0]
    with pytest.raises(TrainError, match="scales latents otherwise"):
        Trainer(again, state)
    (tmp_path / "run" / "latents.safetensors").unlink()  # the checkpoint knows it, too
    with pytest.raises(TrainError, match="scales latents otherwise"):
        Trainer(again, state)


def test_a_run_does_not_go_on_with_other_captions(config, pictures, tmp_path):
    data = shutil.copytree(pictures, tmp_path / "data")
    fit(replace(config, data=str(data), steps=1))
    state = load_latest(tmp_path / "run" / "checkpoints")[0]
    lines = (data / "metadata.jsonl").read_text()
    (data / "metadata.jsonl").write_text(lines.replace("red square", "red circle"))
    with pytest.raises(TrainError, match="the images have other captions"):
        Trainer(replace(config, data=str(data)), state)


def test_latents_without_words_become_an_ldm(config, tmp_path):
    fit(replace(config, captions=False, steps=1))
    model = load(tmp_path / "run" / "model", device="cpu", precision="fp32", engine="torch")
    assert model.latent and not model.takes_words and sample(model, [1], 2).shape == (1, 16, 16, 3)


REFUSED = {
    "flips": ({"flip": True}, "--no-flip"),
    "pixels": ({"decoder": None, "attention": ()}, "--captions needs --decoder"),
    "classes": ({"conditional": True}, "exclude each other"),
    "no autoencoder": ({"decoder": "nowhere"}, "no folder of an autoencoder"),
    "heads": ({"text_width": 18}, "multiples of 4"),
    "sizes": ({"attention": (16,)}, "8 numbers a side"),
    "a side that is no multiple": ({"image_size": 15}, "multiple of 2"),
    "streamed": ({"memory": 0.0}, "raise --memory"),
}


@pytest.mark.parametrize("changes, match", REFUSED.values(), ids=REFUSED)
def test_what_no_run_can_have_is_refused_in_a_sentence(config, changes, match):
    with pytest.raises(TrainError, match=match):
        Trainer(replace(config, **changes))


@pytest.mark.parametrize("content", ["", "{}", '{"file_name": "0.png"}', '{"file_name": "../x.png", "text": "x"}', "["])
def test_odd_metadata_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "metadata.jsonl").write_text(content)
    with pytest.raises(TrainError, match=r"metadata.jsonl"):
        open_source(str(tmp_path), captions=True)


def test_captions_of_a_data_set_are_its_text_column(tmp_path):
    datasets = pytest.importorskip("datasets")
    picture = Image.new("RGB", (8, 8))
    rows = {"image": [picture, picture], "caption": ["one", None]}
    made = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    made.to_parquet(tmp_path / "x.parquet")
    assert open_source(str(tmp_path / "x.parquet"), captions=True).captions == ["one", ""]
