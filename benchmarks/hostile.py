"""Hostile checkpoints and pictures: every one must be refused in one sentence, in time, in little memory, unexecuted.

    python -m benchmarks hostile --flips 500

Everything is made here, from a seed. A child process reads one after another and is killed when it takes too long.
A weight that is changed to another possible weight cannot be told from the right one in a folder: such a file may load.
(From the Hub it does not: there the hash is compared.)
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import pickle
import random
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 10.0  # that a refusal may take
MEMORY = 500e6  # bytes by which the reading process may grow
WEIGHTS = "diffusion_pytorch_model"
GOOD = "good ones"
DEEP = 100_000  # levels of nesting


class Case(NamedTuple):
    """kind: what is wrong. path: a checkpoint's folder or a picture. may_load: it may be read as well as refused."""

    kind: str
    path: Path
    may_load: bool = False


class Outcome(NamedTuple):
    """sentence: "" where it was read. seconds, memory: what that took; memory is the process's peak, in bytes."""

    sentence: str
    seconds: float
    memory: int


# --- What is hostile


class Evil:
    """Unpickled with Python's own reader, this makes a file."""

    def __init__(self, mark: Path):
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._mark}",)


def write_checkpoint(folder: Path) -> None:
    """A small checkpoint in the Hub's layout, with random weights."""
    import torch
    from safetensors.torch import save_file

    from ddpm_core.from_diffusers import UNet2DModel

    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    config = {
        "_class_name": "UNet2DModel",
        "sample_size": 8,
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": [8, 16],
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 8,
        "num_class_embeds": 4,
        **blocks,
    }
    unet: Any = UNet2DModel.from_config(config)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", config)
    schedule = {"num_train_timesteps": 100, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    kinds = {"prediction_type": "epsilon", "variance_type": "fixed_small", "clip_sample": True}
    write_json(folder / "scheduler_config.json", {"_class_name": "DDPMScheduler", **schedule, **kinds})
    write_json(folder / "model_index.json", {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]})
    write_json(folder / "ddpm_core.json", {"weights": "EMA", "null_label": 3, "class_names": ["a", "b", "c"]})
    save_file(unet.state_dict(), folder / f"{WEIGHTS}.safetensors")


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


ODD_VALUES: tuple[Any, ...] = (
    *(2**63, 10**400, -1, 0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"), True, None),
    *("", "x" * 10**6, "../../../etc/passwd", "a\0b", "\ud800", "__import__('os').system('true')"),
    *([], {}, [1] * 10**5, [[[[]]]], {"a": {"b": 1}}, [0], ["x"], [2**40] * 2),
)


def json_cases(checkpoint: Path, folder: Path) -> Iterator[Case]:
    """Every field of every JSON file with every odd value, and files that are no JSON."""
    for name in ("config.json", "scheduler_config.json", "model_index.json", "ddpm_core.json"):
        good = json.loads((checkpoint / name).read_text())
        fields = {*good, *EXTRA_FIELDS.get(name, ())}
        for field in sorted(fields):
            for number, value in enumerate(ODD_VALUES):
                here = variant(checkpoint, folder / f"{name}-{field}-{number}")
                write_json(here / name, good | {field: value})
                yield Case(f"{name}: odd values", here, may_load=True)
        for number, content in enumerate((b"", b"\xff\xfe", b"[" * DEEP, b'{"a":' * DEEP, b"[]", b"1", b"\0" * 1000)):
            here = variant(checkpoint, folder / f"{name}-{number}")
            (here / name).write_bytes(content)
            yield Case(f"{name}: no JSON object", here)
        here = variant(checkpoint, folder / f"{name}-large")
        (here / name).write_bytes(b'{"a": "' + b"x" * (17 << 20) + b'"}')
        yield Case(f"{name}: no JSON object", here)


EXTRA_FIELDS = {
    "config.json": ("time_embedding_dim", "freq_shift", "act_fn", "dropout", "norm_eps", "mid_block_type"),
    "scheduler_config.json": ("trained_betas", "rescale_betas_zero_snr", "thresholding", "clip_sample_range"),
}


def pickle_cases(checkpoint: Path, folder: Path, mark: Path) -> Iterator[Case]:
    """Weights that would run a command, in each form that Python or torch has, under both names."""
    import torch

    state = {"conv_in.weight": Evil(mark)}
    forms: dict[str, bytes] = {f"protocol {p}": pickle.dumps(state, protocol=p) for p in range(6)}
    for zipped in (True, False):
        file = io.BytesIO()
        torch.save(state, file, _use_new_zipfile_serialization=zipped)
        forms[f"torch, {'zip' if zipped else 'legacy'}"] = file.getvalue()
    file = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), file)
    forms["a whole module"] = file.getvalue()
    forms["numpy"] = pickle.dumps({"conv_in.weight": __import__("numpy").zeros(3)})
    forms["no mapping"] = pickle.dumps([1, 2, 3])
    for kind, content in forms.items():
        for suffix in (".bin", ".safetensors"):
            yield weights_case(checkpoint, folder / f"{kind}{suffix}", f"pickles as {suffix}", suffix, content)


def safetensors_cases(checkpoint: Path, folder: Path) -> Iterator[Case]:
    """Headers that lie about lengths, shapes, types and places."""
    content = (checkpoint / f"{WEIGHTS}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    first = next(name for name in header if name != "__metadata__")

    def lying(**changes: Any) -> bytes:
        text = json.dumps(header | {first: header[first] | changes}).encode()
        return struct.pack("<Q", len(text)) + text + body

    lies: list[bytes] = [struct.pack("<Q", n) + content[8:] for n in (0, 1, 7, length - 1, length + 1, 2**31)]
    lies += [struct.pack("<Q", n) + content[8:] for n in (2**40, 2**63, 2**64 - 1)]
    lies += [lying(shape=shape) for shape in ([], [0], [2**40], [2**63], [2**20, 2**20, 2**24], [-1], [1.5], ["3"])]
    lies += [lying(dtype=dtype) for dtype in ("F64", "I64", "BOOL", "F4", "", None, 3)]
    end = len(body)
    places = ([0, 0], [5, 3], [0, end], [0, 2**63], [end, 2 * end], [-8, 0], [0], None, "x", [0, 2**64])
    lies += [lying(data_offsets=place) for place in places]
    lies += [struct.pack("<Q", 2) + b"{}", b"", b"\0" * 8, struct.pack("<Q", 10**8) + b"{" + b" " * 10**6]
    text = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    lies += [struct.pack("<Q", len(text)) + text]
    for number, lie in enumerate(lies):
        yield weights_case(checkpoint, folder / str(number), "safetensors with lying headers", ".safetensors", lie)


def zip_cases(checkpoint: Path, folder: Path, heavy: bool = True) -> Iterator[Case]:
    """Archives with names that lead out of them, and (heavy) that unpack to far more than they are long."""
    for number, name in enumerate(("../../evil", "/tmp/evil", "a\0b", "x" * 60_000, "archive/../../evil")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as out:
            out.writestr(name, pickle.dumps({}))
            out.writestr("archive/version", "3")
        yield weights_case(checkpoint, folder / f"name-{number}", "archives with odd names", ".bin", file.getvalue())
    if not heavy:
        return
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        out.writestr("archive/data.pkl", pickle.dumps({}))
        with out.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(200):
                entry.write(b"\0" * (1 << 22))
    yield weights_case(checkpoint, folder / "bomb", "zip bombs", ".bin", bomb.getvalue())
    yield weights_case(checkpoint, folder / "bomb-2", "zip bombs", ".safetensors", bomb.getvalue())
    lie = bytearray(bomb.getvalue())
    at = lie.rindex(b"PK\x01\x02")
    lie[at + 24 : at + 28] = struct.pack("<I", 10)  # says that the large entry unpacks to 10 bytes
    yield weights_case(checkpoint, folder / "lie", "zip bombs", ".bin", bytes(lie))


def damaged_cases(checkpoint: Path, folder: Path, times: int, seed: int = 0) -> Iterator[Case]:
    """Weights with bits flipped or the end cut off, at random places, as .safetensors and as .bin."""
    import torch
    from safetensors.torch import load_file

    random_ = random.Random(seed)
    whole = (checkpoint / f"{WEIGHTS}.safetensors").read_bytes()
    file = io.BytesIO()
    torch.save(load_file(checkpoint / f"{WEIGHTS}.safetensors"), file)
    files = {".safetensors": whole, ".bin": file.getvalue()}
    for number in range(times):
        suffix = random_.choice((".safetensors", ".bin"))
        content = bytearray(files[suffix])
        if random_.random() < 0.3:
            del content[random_.randrange(len(content)) :]
            kind = "cut off"
        else:
            # half of them in the header, where they do most
            reach = min(len(content), 4000) if random_.random() < 0.5 else len(content)
            for _ in range(random_.choice((1, 1, 1, 8, 64))):
                content[random_.randrange(reach)] ^= 1 << random_.randrange(8)
            kind = "bits flipped"
        case = weights_case(checkpoint, folder / f"{number}", f"weights, {kind}, {suffix}", suffix, bytes(content))
        yield case._replace(may_load=kind == "bits flipped")


def picture_cases(folder: Path, heavy: bool = True) -> Iterator[Case]:
    """Pictures that say they are huge, that (heavy) unpack to far more than they are long, and files that are none."""
    from PIL import Image

    folder.mkdir(parents=True)

    def case(kind: str, name: str, content: bytes) -> Case:
        (folder / name).write_bytes(content)
        return Case(kind, folder / name)

    def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    for side in (10_000, 30_000, 2**31 - 1):
        yield case("PNG bombs", f"side-{side}.png", png(side, side, b"\0" * 1000))
    yield case("PNG bombs", "long.png", png(1, 2**31 - 1, b"\0" * 1000))
    if heavy:
        yield case("PNG bombs", "pixels.png", png(6000, 6000, b"\0" * (6000 * 6001)))
    for chunk in (b"iCCP", b"zTXt") if heavy else ():
        packed = zlib.compress(b"\0" * (1 << 28), 9)
        text = png(8, 8, b"\0" * 72, extra=png_chunk(chunk, b"x\0\0" + packed))
        yield case("PNG bombs", f"{chunk.decode()}.png", text)._replace(may_load=True)
    tiny = Image.new("RGB", (8, 8), (200, 30, 30))
    for format, at in (("BMP", 18), ("TIFF", None), ("GIF", 6)):
        content = bytearray(encoded(tiny, format))
        if format == "BMP" and at:
            content[at : at + 8] = struct.pack("<ii", 60_000, 60_000)
        elif format == "GIF" and at:
            content[at : at + 4] = struct.pack("<HH", 65_535, 65_535)
        else:
            at = content.index(struct.pack("<HHI", 256, 4, 1)) + 8
            content[at : at + 4] = struct.pack("<I", 2**31 - 1)
        yield case("other formats that say they are huge", f"huge.{format.lower()}", bytes(content))
    for number, text in enumerate((b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", XML_BOMB)):
        yield case("SVG", f"{number}.svg", text)
        yield case("SVG", f"svg-{number}.png", text)
    names = ("empty.png", "text.png", "elf.png", "html.png", "zip.png")
    contents = (b"", b"hello", b"\x7fELF" + b"\0" * 500, b"<html><script>1</script>", b"PK\x03\x04" + b"\0" * 99)
    for name, content in zip(names, contents, strict=True):
        yield case("no pictures", name, content)
    jpeg = encoded(Image.effect_noise((300, 300), 90), "JPEG")
    for cut in range(20, len(jpeg), len(jpeg) // 20):
        yield case("pictures, cut off", f"cut-{cut}.jpg", jpeg[:cut])


XML_BOMB = (
    b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaaaaaaaa'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><svg xmlns='http://www.w3.org/2000/svg'><text>&j;</text></svg>"
)


def png(width: int, height: int, pixels: bytes, extra: bytes = b"") -> bytes:
    """A PNG of grey pixels, whatever it says of its size."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + head + extra + data + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def weights_case(checkpoint: Path, folder: Path, kind: str, suffix: str, content: bytes) -> Case:
    here = variant(checkpoint, folder)
    (here / f"{WEIGHTS}.safetensors").unlink()
    (here / f"{WEIGHTS}{suffix}").write_bytes(content)
    return Case(kind, here)


def variant(checkpoint: Path, folder: Path) -> Path:
    shutil.copytree(checkpoint, folder)
    return folder


# --- How it is read


def read(case: Case) -> str:
    """Read it as the page does: "" or the sentence with which it is refused. Other errors come out."""
    import ddpm_core
    from ddpm_core import CheckpointError
    from ui.runs.limits import ServerLimits
    from ui.runs.models import Models
    from ui.tabs.forward import pictures

    try:
        if case.path.is_dir():
            models = Models(limits=ServerLimits.public())
            models.peek(str(case.path))
            models.flop(str(case.path))
            ddpm_core.load(case.path, engine="torch", device="cpu")
        else:
            pictures.read(case.path, ServerLimits.public())
    except (CheckpointError, ValueError) as refusal:
        return str(refusal)
    return ""


def serve(pipe: Any) -> None:
    """The child process: reads what it is sent."""
    import ddpm_core.checkpoint.cost
    import ddpm_core.checkpoint.load  # noqa: F401
    import ui.tabs.forward.pictures  # noqa: F401, the time of these imports is not a file's
    from benchmarks._measure import peak_resident

    pipe.send("ready")
    while (case := pipe.recv()) is not None:
        started = time.monotonic()
        try:
            outcome: Any = read(case)
        except BaseException as error:
            outcome = error
        text = f"{type(outcome).__name__}: {outcome}" if isinstance(outcome, BaseException) else outcome
        pipe.send((isinstance(outcome, BaseException), Outcome(text, time.monotonic() - started, peak_resident())))


class Reader:
    """A child process that reads one case after another."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        assert self._pipe.recv() == "ready"

    def read(self, case: Case, seconds: float = 60) -> tuple[str, Outcome | None]:
        """(what is wrong, the outcome); the former is "" where all is well."""
        self._pipe.send(case)
        try:
            if not self._pipe.poll(seconds):
                raise EOFError
            failed, outcome = self._pipe.recv()
        except EOFError:
            alive = self._process.is_alive()
            self._process.kill()
            self._process.join()
            code = self._process.exitcode
            self._start()
            return (f"no answer in {seconds:.0f} s" if alive else f"the process died ({code})"), None
        if failed:
            return f"an error that is no refusal: {outcome.sentence}", outcome
        return judged(case, outcome), outcome

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join(10)
        self._process.kill()


def judged(case: Case, outcome: Outcome) -> str:
    """What is wrong with an outcome; "" for nothing."""
    if outcome.seconds > SECONDS:
        return f"took {outcome.seconds:.1f} s"
    if not outcome.sentence and not case.may_load:
        return "was read"
    if "\n" in outcome.sentence or len(outcome.sentence) > 1000:
        return f"no single sentence: {outcome.sentence[:300]!r}"
    return ""


def all_cases(folder: Path, flips: int, mark: Path) -> Iterator[Case]:
    checkpoint = folder / "good"
    write_checkpoint(checkpoint)
    picture = folder / "good.png"
    picture.write_bytes(png(8, 8, b"\0" * 72))
    makers: tuple[Callable[[Path], Iterator[Case]], ...] = (
        lambda place: iter([Case(GOOD, checkpoint), Case(GOOD, picture)]),
        lambda place: pickle_cases(checkpoint, place, mark),
        lambda place: safetensors_cases(checkpoint, place),
        lambda place: zip_cases(checkpoint, place),
        lambda place: picture_cases(place),
        lambda place: json_cases(checkpoint, place),
        lambda place: damaged_cases(checkpoint, place, flips),
    )
    for number, make in enumerate(makers):
        place = folder / f"part-{number}"
        for case in make(place):
            yield case
            if place in case.path.parents and case.path.is_dir():
                shutil.rmtree(case.path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks hostile", description=__doc__)
    parser.add_argument("--flips", type=int, default=500, help="weights with flipped bits or cut off (500)")
    flips = parser.parse_args(arguments).flips
    counts: Counter[str] = Counter()
    read_too: Counter[str] = Counter()
    slowest: dict[str, float] = {}
    wrong: list[str] = []
    base = peak = 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        reader = Reader()
        mark = Path(name, "executed")
        for case in all_cases(Path(name), flips, mark):
            problem, outcome = reader.read(case)
            if outcome and case.kind == GOOD:  # the first time it also imports everything
                base = outcome.memory
                problem = outcome.sentence
            counts[case.kind] += 1
            if outcome:
                peak = max(peak, outcome.memory)
                read_too[case.kind] += not outcome.sentence
                slowest[case.kind] = max(slowest.get(case.kind, 0), outcome.seconds)
            if problem:
                wrong.append(f"{case.kind}: {case.path.relative_to(name)}: {problem}")
                print(wrong[-1], flush=True)
        if mark.exists():
            wrong.append("a pickle was executed")
        reader.close()
    print("| what | files | refused | read | slowest |\n| --- | --- | --- | --- | --- |")
    for kind, count in counts.items():
        refused = count - read_too[kind]
        print(f"| {kind} | {count} | {refused} | {read_too[kind]} | {slowest.get(kind, 0):.2f} s |")
    growth = peak - base
    if growth > MEMORY:
        wrong.append(f"the reading process grew by {growth / 1e6:.0f} MB")
    seconds = time.monotonic() - started
    print(f"{sum(counts.values())} files in {seconds:.0f} s; the reading process grew by {growth / 1e6:.0f} MB")
    print(f"{len(wrong)} problems" + "".join(f"\n- {line}" for line in wrong))
    raise SystemExit(bool(wrong))
