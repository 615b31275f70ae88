"""A Hub that fails in every way: one sentence, the next try works, and nothing wrong stays in the cache."""

import types

import pytest
from checkpoint_folders import write
from hub_server import HubServer
from huggingface_hub import constants, file_download
from test_hub import refusal

import ddpm_core
from ui.limits import Refused, ServerLimits
from ui.models import Models

REF = "google/ddpm-cifar10-32"
WEIGHTS = "diffusion_pytorch_model.safetensors"

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture
def online(tmp_path, monkeypatch):
    with HubServer() as server:
        server.use(monkeypatch, tmp_path / "home")
        naps = types.SimpleNamespace(**{**vars(file_download.time), "sleep": lambda seconds: None})
        monkeypatch.setattr(file_download, "time", naps)
        write(tmp_path / "repo")
        server.add_repo(REF, tmp_path / "repo")
        yield server


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "has no repository google/ddpm-cifar10-32, or it is private"),
        (403, "refuses access to google/ddpm-cifar10-32 (HTTP 403)"),
        (404, "has no repository google/ddpm-cifar10-32, or it is private"),
        (429, "takes no more requests from here for now (HTTP 429): try"),
        (500, "has an error of its own (HTTP 500): try"),
        (504, "has an error of its own (HTTP 504): try"),
    ],
)
def test_an_answer_of_the_hub_is_one_sentence_and_the_next_try_works(online, status, sentence):
    online.status = status
    assert sentence in refusal(REF)
    online.status = 200
    assert ddpm_core.load(REF).image_size == 32


@pytest.mark.parametrize("status", [429, 500])
def test_a_cached_checkpoint_serves_while_the_hub_fails(online, status):
    ddpm_core.load(REF)
    online.status = status
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
        ("config.json", 10**9, "config.json is larger than 16 MB"),
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


def test_a_full_disk_leaves_nothing_broken(online, monkeypatch):
    real = file_download.http_get

    def full(url, temp_file, **options):
        real(url, temp_file, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    assert "the disk is full" in refusal(REF)
    monkeypatch.setattr(file_download, "http_get", real)
    assert ddpm_core.load(REF).image_size == 32
    assert constants.HF_HUB_CACHE  # its own settings are back
