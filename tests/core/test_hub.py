"""References, and downloads with the real huggingface_hub client from a Hub on the loopback."""

import errno
import json
import re
import threading
import time
import types
from pathlib import Path

import pipelines
import pytest
import torch
from checkpoint_folders import write, write_json
from hub_server import HubServer
from huggingface_hub import constants, file_download
from hypothesis import given, settings
from hypothesis import strategies as st

import ddpm_core
from ddpm_core import CheckpointError
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.hub import snapshots
from ui.machine.limits import Refused, ServerLimits
from ui.models.loaded import Models

WEIGHTS = "diffusion_pytorch_model.safetensors"
OURS = "ddpm_core.json"
REF = "google/ddpm-cifar10-32"
SMALL = ["model_index.json", "config.json", "scheduler_config.json"]

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture
def server():
    with HubServer() as server:
        yield server


@pytest.fixture
def online(server, tmp_path, monkeypatch):
    """The Hub with google/ddpm-cifar10-32, and this process's client pointed at it."""
    server.use(monkeypatch, tmp_path / "home")
    naps = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr(file_download, "time", naps)  # the client's pauses between two tries
    write(tmp_path / "repo")
    server.add_repo(REF, tmp_path / "repo")
    return server


def refusal(ref, **keywords) -> str:
    """The text with which loading is refused: one sentence, one line, nothing chained to it."""
    with pytest.raises(CheckpointError) as caught:
        ddpm_core.load(ref, **keywords)
    assert "\n" not in str(caught.value)
    assert (caught.value.__cause__ is None and caught.value.__suppress_context__) or caught.value.__context__ is None
    return str(caught.value)


def bias(model) -> float:
    return model.network.unet.conv_in.bias[0].item()


# References


@pytest.mark.parametrize(
    ("ref", "kind", "name", "revision"),
    [
        ("cifar10-tiny", "embedded", "cifar10-tiny", None),
        (" cifar10-tiny\n", "embedded", "cifar10-tiny", None),
        (REF, "hub", REF, None),
        ("a/b@main", "hub", "a/b", "main"),
        ("a/b@refs/pr/1", "hub", "a/b", "refs/pr/1"),
        ("a_1/b.c-d@v1.0", "hub", "a_1/b.c-d", "v1.0"),
    ],
)
def test_parse(ref, kind, name, revision):
    parsed = refs.parse(ref)
    assert (parsed.kind, parsed.name, parsed.revision) == (kind, name, revision)


def test_parse_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    (tmp_path / "cifar10-tiny").mkdir()
    assert refs.parse(tmp_path).kind == refs.parse(".").kind == refs.parse("owner/name").kind == "folder"
    assert refs.parse("cifar10-tiny").kind == "embedded"
    assert refs.parse("./cifar10-tiny").kind == "folder"


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("", "there is no checkpoint ''"),
        (
            "cifar",
            "there is no checkpoint 'cifar': give an embedded name, a folder, or a Hub id (owner/name)",
        ),
        ("mnist_tiny", "there is no checkpoint 'mnist_tiny': did you mean mnist-tiny?"),
        ("cifar10-tiny@main", "there is no checkpoint 'cifar10-tiny@main'"),
        ("./nowhere", "there is no folder './nowhere'"),
        ("~nobody-of-this-name/x", "there is no folder"),
        ("/" + "x" * 5000, "there is no folder"),
        ("a/b/c", "there is no folder 'a/b/c'"),
        ("https://huggingface.co/a/b", "give the repository id alone"),
        ("a/b@../../c", "is not a revision"),
        ("a--b/c", "is not a Hub id"),
        ("a/" + "b" * 96, "is not a Hub id"),
        ("ä/b", "there is no checkpoint"),
        (__file__, "is a file: give the folder"),
    ],
)
def test_wrong_references(ref, sentence):
    with pytest.raises(CheckpointError) as caught:
        refs.parse(ref)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "ref", ["x", "./x", "a/x", "a/b/x", "https://x", "a/b@x", "mnist-tiny@x", "x\\y", "~x", "a/b@v1", "a/b@"]
)
@pytest.mark.parametrize("local", [True, False])
def test_a_reference_of_thousands_of_letters_is_not_repeated_whole(ref, local):
    with pytest.raises(CheckpointError) as caught:
        refs.parse(ref.replace("x", "x" * 5000), "w!" * 2000 if ref.startswith("a/b@") else None, local)
    assert len(str(caught.value)) < 900 and "…" in str(caught.value)


def test_revision_keyword(tmp_path):
    assert refs.parse("a/b", "v1") == refs.parse("a/b@v1") == refs.parse("a/b@v1", "v1")
    assert str(refs.parse("a/b", "v1")) == "a/b@v1"
    for ref, revision in (("a/b@v1", "v2"), ("cifar10-tiny", "v1"), (tmp_path, "v1"), ("a/b", "..")):
        with pytest.raises(CheckpointError, match="revision"):
            refs.parse(ref, revision)


@given(st.text(max_size=120) | st.from_regex(r"[\w./@-]{1,40}"))
@settings(max_examples=40)
def test_any_text_is_a_reference_or_a_sentence(text):
    try:
        parsed = refs.parse(text)
    except CheckpointError as error:
        assert str(error)
        return
    if parsed.kind == "hub":  # nothing that could leave the cache's folder or change the address
        for part in (*parsed.name.split("/"), *(parsed.revision or "x").split("/")):
            assert part and part not in (".", "..") and not set(part) & set("\\:?#% \n")


# Downloads


@pytest.mark.parametrize(
    ("layout", "wanted"),
    [
        ({}, [*SMALL, WEIGHTS]),
        ({"pickle": True}, [*SMALL, "diffusion_pytorch_model.bin"]),
        (
            {"subfolders": True, "own": {"weights": "EMA"}},
            [SMALL[0], OURS, "unet/config.json", "scheduler/scheduler_config.json", f"unet/{WEIGHTS}"],
        ),
    ],
)
def test_only_the_files_needed_are_downloaded(online, tmp_path, layout, wanted):
    folder = tmp_path / "other"
    weights = write(folder, **layout)
    for name in ("evil.py", "unet/model.py", "README.md", "diffusion_model.pt", "unet/diffusion_flax_model.msgpack"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("raise SystemExit")
    if not layout:
        torch.save(weights, folder / "diffusion_pytorch_model.bin")  # not needed beside safetensors
    commit = online.add_repo("owner/name", folder)
    model = ddpm_core.load("owner/name")
    assert online.downloads == wanted
    assert model.source.revision == commit
    state = model.network.unet.state_dict()
    assert all(torch.equal(state[key], weights[key].to(state[key].dtype)) for key in weights)


def test_google_layout_at_256(online, tmp_path):
    write(tmp_path / "church", "256", pickle=True, scheduler={"variance_type": "fixed_small"})
    online.add_repo("google/ddpm-ema-church-256", tmp_path / "church")
    model = ddpm_core.load("google/ddpm-ema-church-256")
    assert (model.image_size, model.variance, model.source.weights) == (256, "beta_tilde", "EMA")
    assert model.source.file == "diffusion_pytorch_model.bin"
    assert ddpm_core.load(REF).source.weights == "not EMA"


def test_revisions(online, tmp_path):
    write(tmp_path / "old", seed=1)
    old = online.add_repo(REF, tmp_path / "old", revision="v1")
    newest = bias(ddpm_core.load(REF))
    models = [ddpm_core.load(f"{REF}@{name}") for name in ("v1", old)]
    models.append(ddpm_core.load(REF, revision="v1"))
    assert len({bias(model) for model in models}) == 1 and bias(models[0]) != newest
    assert {model.source.revision for model in models} == {old}
    assert "google/ddpm-cifar10-32 has no revision 'v2'" in refusal("google/ddpm-cifar10-32@v2")


def test_a_new_commit_replaces_the_cached_one(online, tmp_path):
    before = bias(ddpm_core.load(REF))
    write(tmp_path / "repo", seed=5)
    online.add_repo(REF, tmp_path / "repo")
    assert bias(ddpm_core.load(REF)) != before
    assert online.downloads == [*SMALL, WEIGHTS, WEIGHTS]  # the small files did not change


def test_the_cache_serves_offline(online, monkeypatch):
    first = ddpm_core.load(REF)
    count = len(online.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert bias(ddpm_core.load(REF)) == bias(first)
    assert len(online.requests) == count
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for status in (429, 500, 503):
        online.status = status
        assert ddpm_core.load(REF).source.revision == first.source.revision
    online.stop()
    for ref in (REF, f"{REF}@{first.source.revision}"):
        assert ddpm_core.load(ref).source.revision == first.source.revision


def test_a_cached_commit_needs_no_network(online):
    commit = ddpm_core.load(REF).source.revision
    count = len(online.requests)
    ddpm_core.load(REF, revision=commit)
    assert len(online.requests) == count


OWN = {"null_label": 10, "class_names": list("abcdefghij")}


def filled_by_diffusers(online, tmp_path, **unet):
    """A repository of ours in a cache that diffusers filled: with none of the files that only we know."""
    write(tmp_path / "ours", **unet)
    commit = online.add_repo("owner/ours", tmp_path / "ours")
    for name in (*SMALL, WEIGHTS):
        file_download.hf_hub_download("owner/ours", name, cache_dir=constants.HF_HUB_CACHE)
    return commit


@pytest.mark.parametrize("pinned", [False, True])
def test_a_cache_that_diffusers_filled_gets_the_file_that_is_ours(online, tmp_path, pinned):
    commit = filled_by_diffusers(online, tmp_path, num_class_embeds=11, own=OWN)
    ref = refs.parse("owner/ours", commit if pinned else None)
    assert snapshots.here(ref) is None
    assert snapshots.status("owner/ours", ref.revision) == snapshots.Status(
        "download", (tmp_path / "ours" / OURS).stat().st_size
    )
    model = ddpm_core.load("owner/ours", revision=ref.revision)
    assert (model.num_classes, model.null_label, model.class_names) == (10, 10, tuple("abcdefghij"))
    assert online.downloads[-1] == OURS
    assert snapshots.here(ref).layout.extra == ("model_index.json", OURS)


def test_a_cache_that_diffusers_filled_is_whole_once_the_hub_was_asked(online, tmp_path, recwarn):
    commit = filled_by_diffusers(online, tmp_path)
    assert snapshots.status("owner/ours").state == "cached"
    ddpm_core.load("owner/ours", revision=commit)
    online.stop()
    assert ddpm_core.load("owner/ours").source.revision == commit
    assert snapshots.here(refs.parse("owner/ours", commit)) is not None
    assert not [warning for warning in recwarn if "not in the local cache" in str(warning.message)]


def test_a_cache_that_diffusers_filled_offline(online, tmp_path):
    """Without its own file a network's classes are unknown, and nothing worse than a name is of one without any."""
    filled_by_diffusers(online, tmp_path, num_class_embeds=11, own=OWN)
    online.status = 503
    assert "ddpm_core.json, which describes this network's classes, is not in the local cache" in refusal("owner/ours")
    assert snapshots.status("owner/ours").state == "cached"
    online.status = 200
    filled_by_diffusers(online, tmp_path)
    online.stop()
    with pytest.warns(
        UserWarning, match="owner/ours: ddpm_core.json and analytic_variance.json and optimised_steps.json are not in"
    ):
        assert ddpm_core.load("owner/ours").num_classes == 0


def test_offline_without_cache(online, monkeypatch):
    online.status = 503
    assert "the Hub reports an internal error (HTTP 503): try" in refusal(REF)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set and google/ddpm-cifar10-32 is not in the" in refusal(REF)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    online.stop()
    monkeypatch.setattr(snapshots, "LISTING_TIMEOUT", 1000.0)  # it isn't waited for
    assert "is not in the cache: connect to the internet, or choose another model" in refusal(REF)


def test_a_mute_hub_counts_as_unreachable(online, monkeypatch):
    ddpm_core.load(REF)
    monkeypatch.setattr(snapshots, "LISTING_TIMEOUT", 0.3)
    online.mute.set()
    assert ddpm_core.load(REF).image_size == 32
    assert "cannot be reached" in refusal("owner/name")


def test_missing_and_gated_repositories(online, tmp_path):
    assert "the Hub has no repository owner/name, or it is private" in refusal("owner/name")
    online.add_repo("owner/gated", tmp_path / "repo", gated=True)
    assert "owner/gated is gated: accept its terms at" in refusal("owner/gated")


def test_repositories_of_other_models(online, tmp_path):
    (tmp_path / "text").mkdir()
    write_json(tmp_path / "text" / "tokenizer.json", {})
    online.add_repo("owner/text", tmp_path / "text")
    assert "owner/text is not a UNet2DModel checkpoint" in refusal("owner/text")
    write(tmp_path / "sd", subfolders=True, _class_name="UNet2DConditionModel")
    online.add_repo("owner/sd", tmp_path / "sd")
    assert "the network is a UNet2DConditionModel" in refusal("owner/sd")
    assert f"unet/{WEIGHTS}" not in online.downloads  # refused before the large file


@pytest.mark.parametrize("layout", ["tokenizer.json", "vocab.json and merges.txt"])
def test_a_tokenizer_from_the_hub_is_that_of_the_whole_repository(server, tmp_path, monkeypatch, layout):
    """What pads, and tokens that were added, stand in small files of their own in older repositories."""
    transformers = pytest.importorskip("transformers")
    server.use(monkeypatch, tmp_path / "home")
    pipelines.stable_diffusion(tmp_path / "sd")
    folder = tmp_path / "sd" / "tokenizer"
    whole = json.loads((folder / "tokenizer.json").read_text())
    ends = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "q",
    }
    write_json(folder / "tokenizer_config.json", {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})
    write_json(folder / "special_tokens_map.json", ends)
    if layout == "vocab.json and merges.txt":
        (folder / "tokenizer.json").unlink()
        write_json(folder / "vocab.json", whole["model"]["vocab"])
        merges = [" ".join(pair) for pair in whole["model"]["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
        write_json(folder / "added_tokens.json", {"foxglove": whole["model"]["vocab"]["fox</w>"]})
    server.add_repo("owner/sd", tmp_path / "sd")
    found = ddpm_core.load("owner/sd", device="cpu", precision="fp32").text
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    prompts = ["a red fox", "foxglove", "a q"]
    expected = theirs(prompts, padding="max_length", max_length=77, truncation=True)["input_ids"]
    assert found.tokens(prompts).tolist() == expected and expected[0][-1] == theirs.convert_tokens_to_ids("q")
    here = snapshots.here(refs.parse("owner/sd"))
    assert here is not None and not here.layout.unknown  # what the repository lacks is known


def test_a_model_too_large_for_the_page_is_refused_before_its_weights_are_downloaded(online):
    with pytest.raises(Refused, match=r"takes .* MB of memory"):
        Models(limits=ServerLimits(model_memory_mb=0.01)).fetch(REF)
    assert online.downloads == SMALL


def test_a_file_that_vanishes(online):
    online.vanished.add(WEIGHTS)
    assert "a file of google/ddpm-cifar10-32 has vanished" in refusal(REF)


def test_cut_off_downloads(online):
    online.cut_after(200_000, times=1)
    ddpm_core.load(REF)  # the client goes on where it was cut off
    assert [r.range for r in online.requests if r.range] == [f"bytes={3 * (1 << 16)}-"]


def test_after_a_failed_download_the_next_one_succeeds(online):
    online.cut_after(0)
    assert "the download of google/ddpm-cifar10-32 was cut off: try again" in refusal(REF)
    online.cut_after(None)
    assert ddpm_core.load(REF).image_size == 32


def test_progress_counts_bytes(online, tmp_path):
    online.bytes_per_second = 1_000_000
    online.cut_after(300_000, times=1)
    calls = []
    ddpm_core.load(REF, progress=lambda done, total: calls.append((done, total)))
    size = sum((tmp_path / "repo" / name).stat().st_size for name in (*SMALL, WEIGHTS))
    assert {total for _, total in calls} == {size}
    dones = [done for done, _ in calls]
    assert dones == sorted(dones) and dones[-1] == size and len(set(dones)) > 2
    calls.clear()
    ddpm_core.load(REF, progress=lambda done, total: calls.append((done, total)))
    assert calls == []  # nothing to download


def test_a_stalled_download_can_be_cancelled(online):
    online.stalled.set()
    dones = []

    def stop(done: int, total: int) -> None:
        dones.append(done)
        if dones.count(done) > 4:  # nothing comes any more
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ddpm_core.load(REF, progress=stop)  # else it stalls for ever
    online.stalled.clear()
    assert ddpm_core.load(REF).image_size == 32


def test_xet_storage_is_read_over_http(online):
    online.xet = True
    before = constants.HF_HUB_DISABLE_XET, constants.DOWNLOAD_CHUNK_SIZE
    ddpm_core.load(REF)
    assert WEIGHTS in online.downloads
    assert not any("xet" in request.path for request in online.requests)
    assert before == (constants.HF_HUB_DISABLE_XET, constants.DOWNLOAD_CHUNK_SIZE)


def test_two_downloads_at_once(online, tmp_path):
    write(tmp_path / "b", seed=1)
    online.add_repo("owner/b", tmp_path / "b")
    online.bytes_per_second = 1_000_000
    found = {}
    threads = [
        threading.Thread(target=lambda ref=ref: found.update({ref: ddpm_core.load(ref)})) for ref in (REF, "owner/b")
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert bias(found[REF]) != bias(found["owner/b"])
    assert constants.DOWNLOAD_CHUNK_SIZE > 1 << 20  # the client has its own settings back


def test_a_damaged_file_in_the_cache_can_be_replaced(online):
    folder = ddpm_core.load(REF).source.folder
    (folder / WEIGHTS).write_bytes(b"\x00" * 500)
    sentence = refusal(REF)
    Path(re.search("delete (.*) and load", sentence)[1]).unlink()
    assert ddpm_core.load(REF).image_size == 32


# Status


def test_status(online, tmp_path, monkeypatch):
    weights = (refs.embedded()["cifar10-tiny"] / WEIGHTS).stat().st_size
    assert snapshots.status("cifar10-tiny").state == "embedded" and snapshots.status("cifar10-tiny").bytes > weights
    size = sum((tmp_path / "repo" / name).stat().st_size for name in (*SMALL, WEIGHTS))
    assert snapshots.status(tmp_path / "repo") == snapshots.Status("local", size)
    assert snapshots.status(REF) == snapshots.Status("download", size)
    assert online.downloads == []
    assert (
        snapshots.status("owner/none").state
        == snapshots.status("a--b/c").state
        == snapshots.status("nothing").state
        == "missing"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert snapshots.status(REF).state == "offline"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    ddpm_core.load(REF)
    online.stop()
    assert snapshots.status(REF) == snapshots.Status("cached", size)
    assert snapshots.status("owner/other").state == "offline"


def test_status_of_a_branch_whose_commit_is_cached_by_its_hash(online):
    """The cache knows of no branch then, and lacks nothing."""
    commit = online.repos[REF, "main"].commit
    ddpm_core.load(f"{REF}@{commit}")
    assert snapshots.status(REF) == snapshots.status(f"{REF}@{commit}")
    assert snapshots.status(REF).state == "cached"


def test_status_of_a_mute_hub_is_quick(online):
    online.mute.set()
    assert snapshots.status("owner/name", timeout=0.3).state == "offline"


# A Hub that fails: one sentence, the next try works, and nothing wrong stays in the cache


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "has no repository google/ddpm-cifar10-32, or it is private"),
        (403, "refuses access to google/ddpm-cifar10-32 (HTTP 403)"),
        (429, "accepts no more requests from this address for now (HTTP 429): try"),
        (500, "reports an internal error (HTTP 500): try"),
    ],
)
def test_an_answer_of_the_hub_is_one_sentence_and_the_next_try_works(online, status, sentence):
    online.status = status
    assert sentence in refusal(REF)
    online.status = 200
    assert ddpm_core.load(REF).image_size == 32


def test_a_file_with_another_hash_is_deleted(online):
    online.damaged = True
    assert f"{WEIGHTS} arrived damaged, and was deleted: try again" in refusal(REF)
    online.damaged = False
    assert ddpm_core.load(REF).image_size == 32
    assert online.downloads.count(WEIGHTS) == 2


def test_a_file_that_is_longer_than_the_hub_said_is_not_taken(online):
    online.claimed[WEIGHTS] = 1000
    assert "was cut off: try again" in refusal(REF)
    online.claimed.clear()
    assert ddpm_core.load(REF).image_size == 32


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        (WEIGHTS, 10**18, "GB free, and google/ddpm-cifar10-32 takes 1000000000.0 GB: make room"),
        (WEIGHTS, None, f"the Hub does not say how large {WEIGHTS} of google/ddpm-cifar10-32 is"),
        ("config.json", 10**9, "config.json is larger than 500 kB"),
    ],
)
def test_what_cannot_fit_is_refused_before_a_byte_is_downloaded(online, name, size, sentence):
    online.claimed[name] = size
    assert sentence in refusal(REF)
    assert online.downloads == []


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (ServerLimits(), "is 200,000 MB: choose a smaller one (limit: repository_mb = 20,000)"),
        (ServerLimits(repository_mb=1e9, free_disk_mb=1e9), "(limit: free_disk_mb = 1,000,000,000)"),
    ],
)
def test_a_large_repository_is_over_the_limit(online, limits, sentence):
    online.claimed[WEIGHTS] = 200 * 10**9 if limits.repository_mb < 1e6 else 1000
    with pytest.raises(Refused) as refused:
        Models(limits=limits).fetch(REF)
    assert sentence in str(refused.value)
    assert online.downloads == []
    online.claimed.clear()
    Models().fetch(REF)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/cache/blob"),
            "cannot write /cache/blob (permission denied)",
        ),
    ],
)
def test_a_disk_that_takes_no_more_leaves_nothing_broken(online, monkeypatch, error, sentence):
    real = file_download.http_get

    def full(url, temp_file, **options):
        real(url, temp_file, **options)
        raise error

    monkeypatch.setattr(file_download, "http_get", full)
    told = refusal(REF)
    assert sentence in told and "HF_HOME" in told
    monkeypatch.setattr(file_download, "http_get", real)
    assert ddpm_core.load(REF).image_size == 32
    assert constants.HF_HUB_CACHE  # its own settings are back


# --- What strangers name


def test_what_strangers_name_is_read_without_the_owners_token(online, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    write(tmp_path / "other")
    online.add_repo("owner/other", tmp_path / "other")
    models = Models("cpu", public=True, allow_hub=True, first=REF)
    models.look("owner/other")
    models.fetch("owner/other")
    assert models.known("owner/other") is not None and models.get("owner/other").image_size
    assert {request.authorization for request in online.requests} == {None}
    models.fetch(REF)  # of the list: its owner has chosen it
    assert online.requests[-1].authorization == "Bearer hf_owner"


def test_the_cache_of_the_owner_is_not_lent_to_strangers(online, tmp_path, monkeypatch):
    """A private or gated repository that the owner has downloaded, by its id and by its commit."""
    write(tmp_path / "own")
    commit = online.add_repo("owner/own", tmp_path / "own")
    ddpm_core.load("owner/own", device="cpu")
    models = Models("cpu", public=True, allow_hub=True)
    for ref in ("owner/own", f"owner/own@{commit}"):
        assert models.known(ref) is None and models.flop(ref) is None
    online.repos = {key: repo for key, repo in online.repos.items() if key[0] != "owner/own"}
    for ref in ("owner/own", f"owner/own@{commit}"):
        with pytest.raises(CheckpointError, match="no repository owner/own"):
            models.fetch(ref)
    online.add_repo("owner/own", tmp_path / "own", gated=True)
    with pytest.raises(CheckpointError, match="not open to everybody"):
        models.fetch("owner/own")
    assert models.known("owner/own") is None
    online.status = 503
    with pytest.raises(CheckpointError):
        models.fetch("owner/own")
