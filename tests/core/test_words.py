"""Latent models, with and without words: against diffusers' own pipelines, in their layouts; what is refused."""

import copy
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pipelines
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from hypothesis import given, settings
from hypothesis import strategies as st

import ddpm_core
from ddpm_core import CheckpointError, load, sample, save, side_by_side, trajectory
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.cost import model_cost, network_cost
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.engines.latent import LatentDecoder
from ddpm_core.noise import gaussian_batch
from ddpm_core.prediction import label_tensor, predict
from ddpm_core.runs import Condition, make_chain
from ui.machine.limits import Refused, ServerLimits
from ui.models.loaded import Models

pytest.importorskip("transformers", reason="needed for words only")

WHERE = {"device": "cpu", "precision": "fp32", "engine": "torch"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pipelines")


@pytest.fixture(scope="module")
def unconditional(folder):
    return pipelines.ldm(folder / "ldm"), load(folder / "ldm", **WHERE)


@pytest.fixture(scope="module")
def stable(folder):
    return pipelines.stable_diffusion(folder / "sd"), load(folder / "sd", **WHERE)


@pytest.fixture(scope="module")
def turbo(folder):
    return pipelines.stable_diffusion(folder / "turbo", turbo=True, tiny=True), load(folder / "turbo", **WHERE)


def own_ddim(pipeline):
    """The pipeline with DDIM on its own schedule.

    The last step goes to x_0, as ours does, and not to x_1; and the table is float64, as ours is: its rounding alone
    makes 1e-4 of what a network with random weights draws.
    """
    found = DDIMScheduler.from_config(pipeline.scheduler.config, set_alpha_to_one=True, clip_sample=False)
    low, high = (found.config[name] ** 0.5 for name in ("beta_start", "beta_end"))
    beta = torch.linspace(low, high, 1000, dtype=torch.float64) ** 2
    found.alphas_cumprod = (1 - beta).cumprod(0)
    pipeline.scheduler = found
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def last_of(model, **options):
    *_, last = trajectory(model, [5, 6], 4, sampler="ddim", **options)
    return last.x


def test_a_mixture_of_prompts_is_told_as_the_mean_of_their_states(turbo):
    _, model = turbo
    red, fox, owl, sea = corners = ["red", "fox", "an owl", "the sea"]
    square = ddpm_core.word_square(corners, 3)
    assert [square[i] for i in (0, 2, 6, 8)] == [dict.fromkeys(corners, 0.0) | {one: 1.0} for one in corners]
    assert square[1] == {red: 0.5, fox: 0.5, owl: 0, sea: 0} and square[4] == dict.fromkeys(corners, 0.25)
    states = model.text(corners)
    told = label_tensor(model, square, 9, None)
    assert torch.equal(told[[0, 2, 6, 8], 0], states)  # the very picture of the text alone
    assert torch.allclose(told[4, 0], states.mean(0), atol=1e-6)
    assert np.array_equal(sample(model, [3], 2, prompts=square[8]), sample(model, [3], 2, prompts=sea))
    assert len(ddpm_core.word_square(corners)) == 7 * 7
    assert ddpm_core.word_square(["red", "red", "fox", "fox"], 2)[0] == {"red": 1.0, "fox": 0.0}
    for wrong, match in ((("red", 3), "four corners"), ((corners, 1), "2 or more")):
        with pytest.raises(ValueError, match=match):
            ddpm_core.word_square(*wrong)


def test_an_unconditional_latent_model_is_diffusers_own(unconditional):
    pipeline, model = unconditional
    scheduler, unet = own_ddim(pipeline).scheduler, pipeline.unet
    x = gaussian_batch([5, 6], 0, (3, 8, 8))
    scheduler.set_timesteps(4)
    for t in scheduler.timesteps:
        with torch.no_grad():
            x = scheduler.step(unet(x, t).sample, t, x, eta=0.0).prev_sample
    ours = last_of(model, spacing="leading")
    assert torch.allclose(ours, x, atol=1e-4)
    with torch.no_grad():
        expected = pipeline.vqvae.decode(x / pipeline.vqvae.config.scaling_factor).sample
    assert torch.allclose(model.decoder.decode(x), expected, atol=1e-4)
    assert model.latent and not model.takes_words and (model.factor, model.picture_size) == (2, 16)


@pytest.mark.parametrize("name, spacing", [("stable", "leading"), ("turbo", "trailing")])
@pytest.mark.parametrize("guidance, negative", [(None, None), (5.0, None), (3.0, "green heart")])
def test_words_draw_what_diffusers_own_pipeline_draws(name, spacing, guidance, negative, request):
    pipeline, model = request.getfixturevalue(name)
    prompts = ["a red apple", "the fox"]
    x_T = gaussian_batch([5, 6], 0, (4, 8, 8))
    told = {"num_inference_steps": 4, "guidance_scale": guidance or 1.0, "height": 64, "width": 64}
    away = None if negative is None else [negative] * 2
    theirs = own_ddim(pipeline)(prompts, latents=x_T, negative_prompt=away, output_type="latent", **told).images
    ours = last_of(model, spacing=spacing, prompts=prompts, guidance=guidance, negative=negative)
    assert torch.allclose(ours, theirs, atol=1e-4)
    vae = pipeline.vae
    with torch.no_grad():
        expected = vae.decode(theirs / vae.config.scaling_factor).sample
    assert torch.allclose(model.decoder.decode(theirs), expected, atol=1e-4)


def test_a_picture_depends_on_its_own_seed_and_prompt_alone(turbo):
    _, model = turbo
    options = {"steps": 2, "sampler": "ddim", "guidance": 2.0}
    both = sample(model, [1, 2], prompts=["red", "fox"], **options)
    assert both.shape == (2, 64, 64, 3) and both.dtype == np.uint8
    alone = sample(model, [2], prompts="fox", **options)
    assert np.array_equal(both[1], alone[0])
    other = sample(model, [2], prompts="red", **options)
    assert not np.array_equal(alone, other)


def test_lanes_of_other_words_are_the_runs_of_these_words(turbo):
    _, model = turbo
    lanes = [{"steps": 3, "prompts": "red"}, {"steps": 3, "prompts": "fox", "negative": "green"}]
    found = {}
    for lane, step in side_by_side(model, [4], lanes, guidance=3.0):
        found[lane] = step.x
    for i, told in enumerate(lanes):
        *_, last = trajectory(model, [4], guidance=3.0, **told)
        assert torch.equal(found[i], last.x)


def test_samplers_solvers_and_noise_are_there_for_latents(turbo):
    _, model = turbo
    for options in ({"sampler": "dpm++"}, {"sampler": "unipc"}, {"variance": "beta"}, {"variance": "beta_tilde"}):
        *_, last = trajectory(model, [3], 3, prompts="fox", **options)
        assert last.x.shape == (1, 4, 8, 8) and bool(last.x.isfinite().all())


def test_a_picture_is_encoded_mixed_and_given_back(turbo):
    _, model = turbo
    picture = sample(model, [1], 2, prompts="fox")
    x_0 = ddpm_core.encode(model, picture, 0, [1])
    assert x_0.shape == (1, 4, 8, 8)
    assert ddpm_core.reconstruct(model, x_0, 0, [1]).shape == picture.shape
    x_t = ddpm_core.encode(model, picture, 500, [1])
    mixed = ddpm_core.interpolate(model, x_t, x_0, 500, [0.0, 1.0], 1, 2, prompts="fox")
    assert mixed.shape == (2, 64, 64, 3)


def test_a_copy_draws_the_same_pictures(turbo):
    _, model = turbo
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        x = last_of(other, prompts="a cat")
        assert torch.equal(x, last_of(model, prompts="a cat")) and np.array_equal(other.pictures(x), model.pictures(x))


def test_the_preview_is_the_linear_map_nearest_to_the_decoder(unconditional):
    _, model = unconditional
    x = gaussian_batch(range(3), 7, (3, 8, 8))
    shown = model.decoder.preview(x)
    assert shown.shape == (3, 3, 8, 8)
    zero = model.decoder.preview(torch.zeros_like(x))
    assert torch.allclose(model.decoder.preview(2 * x) - zero, 2 * (shown - zero), atol=1e-5)


PROMPTS = ["a red apple", "the fox"]


@pytest.mark.parametrize("name", ["stable", "turbo"])
def test_attention_is_the_softmax_of_every_layer_and_changes_no_picture(name, request):
    pipeline, model = request.getfixturevalue(name)
    told = {"prompts": PROMPTS, "negative": "green", "guidance": 3.0, "clip": False}
    plain = list(trajectory(model, [5, 6], 3, sampler="ddim", **told))
    steps = list(trajectory(model, [5, 6], 3, sampler="ddim", **told, attention=True))
    layers = [layer for name, layer in pipeline.unet.named_modules() if name.endswith("attn2")]
    seen = []

    def note(layer, arguments, keywords, output):
        seen.append((layer, arguments[0], keywords))

    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in layers]
    try:
        x = gaussian_batch([5, 6], 0, (4, 8, 8))
        for step, before in zip(steps, plain, strict=True):
            assert before.attention is None
            assert torch.equal(step.x, before.x) and torch.equal(step.x0_hat, before.x0_hat)
            assert step.attention.shape == (2, 77, 8, 8) and step.attention.dtype == torch.float32
            assert torch.allclose(step.attention.sum(1), torch.ones(2, 8, 8), atol=1e-5)
            seen.clear()
            with torch.no_grad():
                pipeline.unet(x, torch.tensor(step.t - 1), model.text(PROMPTS))
                expected = np.zeros((2, 77, 8, 8))
                for layer, hidden, keywords in seen:  # in NumPy, a head at a time
                    q, k = layer.to_q(hidden).double().numpy(), layer.to_k(keywords["encoder_hidden_states"]).numpy()
                    d, side = q.shape[2] // layer.heads, int(q.shape[1] ** 0.5)
                    for i in range(0, q.shape[2], d):
                        e = np.exp(q[..., i : i + d] @ k[..., i : i + d].swapaxes(1, 2) / d**0.5)
                        map_ = (e / e.sum(-1, keepdims=True)).reshape(2, side, side, 77).transpose(0, 3, 1, 2)
                        large = map_.repeat(8 // side, 2).repeat(8 // side, 3)
                        expected += large / layer.heads / len(layers)
            assert np.allclose(step.attention, expected, atol=1e-5)
            x = step.x
    finally:
        for hook in hooks:
            hook.remove()


def test_attention_depends_on_its_own_picture_alone_and_is_that_of_lanes(turbo):
    _, model = turbo
    both = list(trajectory(model, [1, 2], 2, prompts=PROMPTS, attention=True))
    alone = list(trajectory(model, [2], 2, prompts=PROMPTS[1], attention=True))
    lanes = side_by_side(model, [2], [{"steps": 2, "prompts": prompt} for prompt in PROMPTS], attention=True)
    lane = [step for number, step in lanes if number == 1]
    for together, one, beside in zip(both, alone, lane, strict=True):
        assert torch.equal(together.attention[1:], one.attention) and torch.equal(one.attention, beside.attention)
    cut = list(trajectory(model, [2], 2, prompts=PROMPTS[1], attention=True, after=alone[0]))
    assert torch.equal(cut[0].attention, alone[1].attention)


def test_attention_needs_words(unconditional):
    for model in (unconditional[1], load("mnist-tiny", **WHERE)):
        with pytest.raises(ValueError, match="no attention"):
            trajectory(model, [1], 2, attention=True)
        with pytest.raises(ValueError, match="no attention"):
            side_by_side(model, [1], [{"steps": 2}], attention=True)


def test_an_opened_model_says_that_it_shows_no_attention(turbo):
    with pytest.raises(ValueError, match="shows no attention to words: use the model that was opened"):
        trajectory(ddpm_core.inside(turbo[1]).model, [1], 2, attention=True)


def test_words_of_a_prompt_have_the_numbers_of_their_tokens(turbo):
    text = turbo[1].text
    words = text.words("  The fox   ofa ")
    assert [word for word, _ in words] == ["The", "fox", "ofa"]
    tokens = text.tokens(["  The fox   ofa "])[0].tolist()
    for word, numbers in words:
        assert "".join(text.tokenizer.convert_ids_to_tokens([tokens[i] for i in numbers])) == f"{word.lower()}</w>"
    assert [i for _, numbers in words for i in numbers] == list(range(1, 10))  # "of" alone is one token
    assert text.words("") == []
    long = text.words("a " * 200)
    assert len(long) == 75 and long[-1] == ("a", (75,))


@pytest.mark.parametrize("name", ["unconditional", "stable", "turbo"])
def test_openvino_decodes_what_torch_decodes_and_one_picture_like_many(name, request, tmp_path, monkeypatch):
    engine = pytest.importorskip("ddpm_core.engines.openvino")
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    _, model = request.getfixturevalue(name)
    x = gaussian_batch(range(2), 0, (model.channels, 8, 8))
    expected, autoencoder = model.decoder.decode(x), model.decoder.autoencoder
    decoder = LatentDecoder(autoencoder, model.decoder.device, model.decoder.scale, model.decoder.shift)
    decoder.decode_by(engine.OpenVINODecoder(autoencoder.decoder, autoencoder.config, "fp32", x[:1]))
    found = decoder.decode(x)
    assert torch.allclose(found, expected, atol=1e-4)
    assert torch.equal(decoder.decode(x[1:])[0], found[1])


@pytest.mark.parametrize("name", ["unconditional", "stable", "turbo"])
def test_what_a_model_takes_is_known_before_its_weights_are_read(name, request):
    _, model = request.getfixturevalue(name)
    checkpoint = snapshots.here(refs.parse(str(model.source.folder)))
    cost = model_cost(spec.check(checkpoint))
    parts = [part for part in (model.network, model.decoder, model.text) if part is not None]
    assert 0 <= sum(part.memory for part in parts) - cost.memory < 1e4  # buffers
    assert cost.flop == network_cost(dict(model.network.unet.config)).flop
    with pytest.raises(Refused, match="of memory: choose a smaller one"):
        Models(limits=ServerLimits(model_memory_mb=cost.memory / 1e6 - 0.1)).get(str(checkpoint.folder))


REFUSED_RUNS = {
    "labels and prompts": ({"prompts": "fox", "labels": 1}, "not both"),
    "another number of prompts": ({"prompts": ["fox"]}, "one per image"),
    "no text": ({"prompts": 7}, "prompts are a text"),
    "weights that sum to 2": ({"prompts": {"fox": 1, "red": 1}}, "sum to 1"),
    "no weights": ({"prompts": {}}, "sum to 1"),
    "weights that are no numbers": ({"prompts": {"fox": "much"}}, "finite weight"),
    "a very long one": ({"prompts": "fox " * 300}, "at most"),
    "half a character": ({"prompts": "a \ud83d fox"}, "half a character"),
}


@pytest.mark.parametrize("options, match", REFUSED_RUNS.values(), ids=REFUSED_RUNS)
def test_odd_prompts_are_refused(turbo, options, match):
    with pytest.raises(ValueError, match=match):
        trajectory(turbo[1], [1, 2], 2, **options)
    with pytest.raises(ValueError, match=match):  # before the model is loaded, too
        make_chain(turbo[1].spec, 2, condition=Condition(**options), n=2)


def test_labels_as_a_tensor_are_the_states_of_prompts(turbo):
    model, x = turbo[1], torch.zeros(2, 4, 8, 8)
    told = label_tensor(model, ["red", "fox"], 2, None)
    assert predict(model, x, 5, told).eps.equal(predict(model, x, 5, ["red", "fox"]).eps)
    for wrong in (told[:1], told[:, 0], told.long(), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match=r"float \(2, 2, L, D\), got"):
            predict(model, x, 5, wrong)
    with pytest.raises(ValueError, match="the states of prompts must be float"):
        predict(model, x, 5, told[..., :-1])


def test_words_are_refused_where_the_model_takes_none(unconditional):
    for model in (unconditional[1], load("mnist-tiny", **WHERE)):
        for options in ({"prompts": "fox"}, {"negative": "fox"}):
            with pytest.raises(ValueError, match="leave out the prompts"):
                trajectory(model, [1], 2, **options)


def test_likelihood_and_restoration_are_refused_in_latents(turbo):
    from ddpm_core import restore

    model, pictures = turbo[1], np.zeros((1, 64, 64, 3), np.uint8)
    for call in (
        lambda: ddpm_core.bits_per_dim(model, pictures),
        lambda: restore.restore(model, torch.zeros(1, 4, 8, 8), restore.grey(), seeds=[1]),
    ):
        with pytest.raises(ValueError, match=r"models of pixels"):
            call()


@pytest.mark.parametrize("name", ["unconditional", "stable", "turbo"])
def test_what_is_saved_is_loaded_again(name, request, tmp_path):
    _, model = request.getfixturevalue(name)
    told = {"prompts": "fox", "guidance": 2.0} if model.takes_words else {}
    save(model, tmp_path / "copy")
    again = load(tmp_path / "copy", **WHERE)
    assert torch.equal(last_of(again, **told), last_of(model, **told))
    assert np.array_equal(sample(again, [1], 2, **told), sample(model, [1], 2, **told))
    save(again, tmp_path / "copy")  # over its own
    save(model, tmp_path / "half", half=True)
    size = sum(path.stat().st_size for path in (tmp_path / "half").rglob("*.safetensors"))
    assert size < 0.52 * sum(path.stat().st_size for path in (tmp_path / "copy").rglob("*.safetensors"))
    with pytest.raises(CheckpointError, match="not written by ddpm_core"):
        save(load("mnist-tiny", **WHERE), model.source.folder)


def test_a_saved_decoder_keeps_its_own_scale(unconditional, tmp_path):
    model = unconditional[1]
    decoder = LatentDecoder(model.decoder.autoencoder, model.decoder.device, scale=0.5, shift=0.25)
    save(replace(model, decoder=decoder), tmp_path / "copy")
    again = load(tmp_path / "copy", **WHERE).decoder
    assert (again.scale, again.shift) == (0.5, 0.25)


def test_the_users_files_in_the_folders_of_a_latent_model_stay(stable, unconditional, tmp_path):
    folder = tmp_path / "copy"
    save(stable[1], folder)
    notes = [folder / part / "notes.txt" for part in ("unet", "vae", "text_encoder", "tokenizer", "mine")]
    notes.append(folder / "tokenizer" / "deep" / "notes.txt")
    for note in notes:
        note.parent.mkdir(exist_ok=True)
        note.write_text(str(note))
    kept = {path for path in folder.rglob("*") if path.is_file()}
    save(stable[1], folder)
    assert {path for path in folder.rglob("*") if path.is_file()} == kept
    assert all(note.read_text() == str(note) for note in notes)
    save(unconditional[1], folder)  # which takes no words
    assert all(note.read_text() == str(note) for note in notes) and not load(folder, **WHERE).takes_words
    assert {path.name for path in (folder / "tokenizer").iterdir()} == {"notes.txt", "deep"}
    save(load("mnist-tiny", **WHERE), folder)
    save(load("mnist-tiny", **WHERE), folder)  # no longer a latent model, with folders that are all the user's
    assert all(note.read_text() == str(note) for note in notes) and load(folder, **WHERE).channels == 1
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "mine",
        "text_encoder",
        "tokenizer",
        "unet",
        "vae",
    ]


def test_diffusers_draws_from_what_is_saved(turbo, tmp_path):
    _, model = turbo
    save(model, tmp_path / "copy")
    pipeline = own_ddim(StableDiffusionPipeline.from_pretrained(tmp_path / "copy"))
    x_T = gaussian_batch([5, 6], 0, (4, 8, 8))
    told = {"num_inference_steps": 4, "guidance_scale": 2.0, "height": 64, "width": 64, "output_type": "latent"}
    theirs = pipeline(["red", "fox"], latents=x_T, **told).images
    assert torch.allclose(last_of(model, spacing="trailing", prompts=["red", "fox"], guidance=2.0), theirs, atol=1e-4)


def change(file, **values):
    def apply(folder):
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**content, **values}))

    return apply


def drop(*names):
    def apply(folder):
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return apply


def write(name, content):
    def apply(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)

    return apply


def merge_what_is_too_long(folder):
    path = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"][0][0] = "<|endoftext|>"
    path.write_text(json.dumps(content))


BROKEN = {
    "SDXL's network": (change("unet/config.json", addition_embed_type="text_time"), "SDXL"),
    "a transformer": (write("transformer/config.json", "{}"), "transformer"),
    "two text encoders": (
        change("model_index.json", text_encoder_2=["transformers", "CLIPTextModel"]),
        "text_encoder_2",
    ),
    "no text encoder": (drop("text_encoder"), "UNet2DConditionModel|text_encoder"),
    "no tokenizer": (drop("tokenizer"), "tokenizer"),
    "no autoencoder": (drop("vae"), "UNet2DConditionModel|vae"),
    "no weights of it": (drop("vae/diffusion_pytorch_model.safetensors"), "no weights"),
    "another autoencoder": (change("vae/config.json", _class_name="AutoencoderDC"), "AutoencoderKL"),
    "its latents are others": (change("vae/config.json", latent_channels=8), "channels"),
    "its weights are others": (change("vae/config.json", block_out_channels=[32, 32, 32, 32]), "does not fit"),
    "a scale of nothing": (change("vae/config.json", scaling_factor=0), "scaling_factor"),
    "widths without end": (change("vae/config.json", block_out_channels=[10**9] * 4), "block_out_channels"),
    "another text encoder": (change("text_encoder/config.json", architectures=["T5EncoderModel"]), "CLIPTextModel"),
    "a text encoder too wide": (change("text_encoder/config.json", hidden_size=64), "numbers a token"),
    "layers without end": (change("text_encoder/config.json", num_hidden_layers=10**6), "num_hidden_layers"),
    "a tokenizer that is none": (write("tokenizer/tokenizer.json", "[]"), "tokenizer"),
    "a tokenizer that panics": (merge_what_is_too_long, "tokenizer"),
    "a network for guidance scales": (change("unet/config.json", time_cond_proj_dim=256), "time_cond_proj_dim"),
    "a network for image prompts": (
        change("unet/config.json", encoder_hid_dim_type="ip_image_proj"),
        "encoder_hid_dim",
    ),
    "a block of another kind": (
        change("unet/config.json", mid_block_type="UNetMidBlock2DSimpleCrossAttn"),
        "mid_block",
    ),
    "a token without end": (change("text_encoder/config.json", eos_token_id=10**80), "eos_token_id must be"),
    "tokens beyond the table": (change("text_encoder/config.json", vocab_size=10), "does not fit"),
}


@pytest.mark.parametrize("damage, match", BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_refused_in_one_sentence(stable, folder, tmp_path, damage, match):
    broken = shutil.copytree(folder / "sd", tmp_path / "broken")
    damage(broken)
    with pytest.raises(CheckpointError, match=match) as error:
        load(broken, **WHERE)
    assert "\n" not in str(error.value)


CONFIGS = (
    *("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"),
    *("tokenizer/tokenizer_config.json", "model_index.json"),
)
NUMBERS = st.integers() | st.integers(-2, 100) | st.floats()
VALUES = st.none() | st.booleans() | NUMBERS | st.text() | st.lists(NUMBERS | st.text(), max_size=5)


@settings(max_examples=8)
@given(data=st.data())
def test_an_odd_value_in_any_configuration_is_refused_in_one_sentence_or_does_no_harm(stable, data, tmp_path_factory):
    odd = tmp_path_factory.mktemp("odd") / "model"
    shutil.copytree(stable[1].source.folder, odd)
    file = data.draw(st.sampled_from(CONFIGS))
    key = data.draw(st.sampled_from(sorted(json.loads((odd / file).read_text()))))
    change(file, **{key: data.draw(VALUES)})(odd)
    try:
        assert sample(load(odd, **WHERE), [1], 1, prompts="a fox").shape[-1] == 3
    except CheckpointError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
    finally:
        shutil.rmtree(odd)


def test_weights_of_an_older_transformers_are_read(stable, folder, tmp_path):
    """Its names have a prefix, and among them are whole numbers."""
    from safetensors.torch import load_file, save_file

    older = shutil.copytree(folder / "sd", tmp_path / "older")
    path = older / "text_encoder" / "model.safetensors"
    weights = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in load_file(path).items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(weights, path)
    assert torch.equal(load(older, **WHERE).text(["a fox"]), stable[1].text(["a fox"]))


def test_without_transformers_a_sentence_says_what_is_missing(stable, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(CheckpointError, match="pip install transformers"):
        load(folder / "sd", **WHERE)


def test_the_command_draws_what_it_is_told(turbo, folder, tmp_path, capsys, torch_engine):
    from ddpm_core.__main__ import main

    checkpoint = ["--checkpoint", str(folder / "turbo"), "--device", "cpu", "--precision", "fp32"]
    grid = tmp_path / "fox.png"
    words = ["--prompt", "a fox", "--negative", "heart", "--guidance", "2", "--steps", "2", "--seeds", "1,2"]
    main(["sample", *checkpoint, *words, "--grid", str(grid)])
    assert grid.stat().st_size > 1000 and "2 images" in capsys.readouterr().out
    main(["info", str(folder / "turbo")])
    assert "64×64" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("emoji-tiny", {"steps": 8, "sampler": "ddim", "spacing": "trailing", "guidance": 3.0}),
        ("emoji-tiny-3-steps", {}),
    ],
)
def test_the_embedded_models_draw_the_colour_that_is_named(name, options):
    model = load(name, **WHERE)
    prompts = ["red heart", "green heart", "blue heart"]
    pictures = sample(model, range(3), prompts=prompts, **options)
    for channel, picture in enumerate(pictures):
        inside = picture[24:36, 24:40].reshape(-1, 3).mean(0)
        assert inside.argmax() == channel and inside[channel] > inside.mean() + 25
        assert picture[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 180  # corners
    assert model.text is not None and model.text.unknown("a Red asdfgh and a fox's 🦊") == ["asdfgh", "🦊"]


def test_the_student_has_decoder_and_words_from_its_teacher_wherever_its_folder_is(tmp_path):
    here = refs.embedded()["emoji-tiny-3-steps"]
    moved = shutil.copytree(here, tmp_path / "moved")
    assert not any((moved / part).exists() for part in ("vae", "text_encoder", "tokenizer"))
    first = load("emoji-tiny-3-steps", **WHERE)
    save(first, tmp_path / "whole")  # has every file itself, so any program can read it
    assert (tmp_path / "whole/tokenizer/tokenizer.json").is_file()
    assert refs.SHARED not in (tmp_path / "whole/ddpm_core.json").read_text()
    picture = sample(first, [0], prompts="red heart")
    for folder in (moved, tmp_path / "whole"):
        assert (sample(load(folder, **WHERE), [0], prompts="red heart") == picture).all()
    for named in ("no-such", ["emoji-tiny"]):
        own = json.loads((here / "ddpm_core.json").read_text()) | {refs.SHARED: named}
        (moved / "ddpm_core.json").write_text(json.dumps(own))
        with pytest.raises(CheckpointError, match="must name an embedded checkpoint, got"):
            load(moved, **WHERE)
