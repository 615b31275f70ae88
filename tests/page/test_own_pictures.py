"""A visitor's own pictures, chosen in a real browser: the pixels that reach the model are those of Pillow. And what
Forward makes of a picture: the numbers are the library's.
"""

import struct
import urllib.parse
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from browser import served
from PIL import Image, ImageOps
from test_static import Site

from ddpm_core.imaging.image_files import square, to_8_bits
from ddpm_core.plane import forward
from train.data.sources import ImageFolder
from ui.pictures import as_text
from ui.pictures.encoded import read_drawing
from ui.static.folder import write

CHANNELS = {"cifar10-tiny": 3, "mnist-tiny": 1}
SIZE = {"cifar10-tiny": 32, "mnist-tiny": 28}


@pytest.fixture(scope="module", params=["server", "static"])
def address(request, tmp_path_factory, narrow_page):
    if request.param == "server":
        with served("cifar10-tiny", launch={"warm": False}) as app:
            yield app.local_url
        return
    folder = tmp_path_factory.mktemp("site") / "a" / "lab"
    write(folder, [*CHANNELS])
    site = Site(folder)
    yield site.address
    site.stop()


def opened(page, address, model="cifar10-tiny", picture=""):
    """Latents of one row at t = 0, which shows the picture as it is. picture: of the link, as text."""
    asked = {"tab": "latents", "checkpoint": model, "steps": 1, "count": 2, "times": "0"}
    page.goto(f"{address}?{urllib.parse.urlencode(asked)}#{urllib.parse.urlencode({'picture': picture})}")
    page.wait_for_selector(".part-latents[data-ready=true][data-described]")
    return page.locator(".part-latents .source").first


CHOSEN = "document.querySelector('.part-latents .source').dataset.picture"


def run(source, model="cifar10-tiny"):
    """The picture with which a run is computed, uint8 (H, W, C)."""
    page = source.page
    page.locator(".part-latents .run:enabled").click()
    page.wait_for_function(f"{CHOSEN} && decodeURIComponent(location.hash).includes({CHOSEN})")
    page.wait_for_selector(".part-latents[data-state=finished]")
    text = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).fragment)["picture"][0]
    return as_text.from_text(text, SimpleNamespace(image_size=SIZE[model], channels=CHANNELS[model]))[0]


def sent(source, path, model="cifar10-tiny"):
    """The same, once a file is chosen."""
    before = source.get_attribute("data-picture")
    source.locator("input[type=file]").set_input_files(path)
    source.page.wait_for_function(f"(before) => ![before, ''].includes({CHOSEN})", arg=before)
    return run(source, model)


def by_pillow(path, model="cifar10-tiny"):
    """The middle square, as Pillow makes it."""
    size, image = SIZE[model], to_8_bits(Image.open(path), 4 if "transparency" in path.name else 3)
    image.thumbnail((512, 512), reducing_gap=2)
    short = min(image.size)
    left, top = (round((side - short) / 2) for side in image.size)
    part = to_8_bits(image.crop((left, top, left + short, top + short)), CHANNELS[model])
    return square(part, size, Image.Resampling.LANCZOS if short >= size else Image.Resampling.BICUBIC)


def photo(width, height, seed=0):
    """Smooth colours with noise and edges."""
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((width, height))
    noisy = np.asarray(smooth) + rng.normal(0, 12, (height, width, 3))
    noisy[height // 4 : height // 2, width // 3 : width // 2] = (250, 10, 20)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def turned(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(301, 200).save(file, exif=exif, quality=95)


def see_through(file):
    image = photo(120, 90)
    image.putalpha(Image.linear_gradient("L").resize((120, 90)))
    image.save(file)


def deep(file):
    levels = np.asarray(photo(80, 60).convert("L")).astype(np.uint16)
    Image.fromarray(256 * levels + 77).save(file)


def animated(file):
    photo(80, 60).quantize(64).save(file, save_all=True, append_images=[photo(80, 60, 1).quantize(64)])


# How a file is made, and the levels by which the pixels may differ from Pillow's. The arithmetic is the same in every
# digit. But browsers may round the colours of a JPEG otherwise, keep colours times alpha in 8 bits, and round 16 bits
# to 8 beforehand: one level, and with the weights of Lanczos, whose absolute values sum up to 1.4, another one.
FILES = {
    "photo.png": (lambda file: photo(301, 200).save(file), 0),
    "large.png": (lambda file: photo(2200, 2300).save(file), 0),
    "dot.png": (lambda file: photo(7, 5).save(file), 0),
    "photo.bmp": (lambda file: photo(90, 91).save(file), 0),
    "photo.webp": (lambda file: photo(90, 60).save(file, lossless=True), 0),
    "animated.gif": (animated, 0),
    "turned.jpg": (turned, 2),
    "cmyk.jpg": (lambda file: photo(120, 90).convert("CMYK").save(file, quality=95), 2),
    "transparency.png": (see_through, 2),
    "deep.png": (deep, 2),
}


@pytest.mark.parametrize("address", ["static"], indirect=True)  # both editions read files with the same module
@pytest.mark.parametrize("model", CHANNELS)
def test_the_pixels_that_are_sent_are_pillows(page, address, tmp_path, model):
    source = opened(page, address, model)
    for name, (make, most) in FILES.items():
        make(tmp_path / name)
        off = np.abs(sent(source, tmp_path / name, model).astype(int) - by_pillow(tmp_path / name, model))
        assert off.max() <= most, name


@pytest.mark.parametrize("address", ["static"], indirect=True)
@pytest.mark.parametrize("size", [(301, 200), (120, 700), (40, 51), (20, 13)])
def test_forward_takes_the_middle_of_a_picture(page, address, tmp_path, size):
    photo(*size).save(tmp_path / "own.png")
    page.goto(f"{address}?tab=forward")
    page.locator(".part-forward, .forward").first.wait_for()
    page.locator(".forward input[type=file]").set_input_files(tmp_path / "own.png")
    page.wait_for_selector(".forward[data-picture=own][data-ready=true]")
    side = min(max(min(size), 32), 128)
    page.wait_for_function("(side) => document.querySelector('.x0 canvas').width === side", arg=side)
    image, long = Image.open(tmp_path / "own.png"), 4 * 128 * max(size) // min(size)
    image.thumbnail((long, long), reducing_gap=2)
    how = Image.Resampling.LANCZOS if min(size) >= 32 else Image.Resampling.NEAREST
    assert (painted(page.locator(".x0 canvas")) == square(image, side, how)).all()


def painted(shown):
    """What a canvas or an image shows, uint8 (H, W, 3)."""
    pixels = shown.evaluate(
        """(shown) => new Promise((done) => requestAnimationFrame(() => {
            const side = shown.naturalWidth ?? shown.width;
            const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
            canvas.getContext("2d").drawImage(shown, 0, 0);
            done([...canvas.getContext("2d").getImageData(0, 0, side, side).data]);
        }))"""
    )
    side = int((len(pixels) / 4) ** 0.5)
    return np.reshape(pixels, (side, side, 4))[..., :3].astype(int)


@pytest.mark.parametrize("address", ["static"], indirect=True)
@pytest.mark.parametrize("schedule", forward.SCHEDULES)
def test_forward_shows_what_the_library_computes(page, address, schedule):
    page.goto(f"{address}?tab=forward&picture=cat&schedule={schedule}&t=30&seed=3")
    page.wait_for_selector(f".forward[data-picture=cat][data-seed='3'][data-schedule={schedule}][data-ready=true]")
    page.wait_for_function("document.querySelector('.xt canvas').width === 128")
    x_0, of = read_drawing("cat"), forward.SCHEDULES[schedule]()
    thumb = page.locator(".forward .thumbs [value=cat] img")
    assert (painted(page.locator(".x0 canvas")) == x_0).all() and (painted(thumb) == x_0).all()
    page.locator(".forward .take").click()
    page.wait_for_selector(".walk[data-state=done]")
    page.wait_for_function("[...document.querySelectorAll('.walk img')].every((image) => image.naturalWidth)")
    found = forward.compare(of, x_0.copy(), 30, 3)
    walk, jump = (painted(page.locator(f".walk .{name} img")) for name in ("steps", "jump"))
    assert abs(walk - found.walk).max() <= 1 and abs(jump - found.jump).max() <= 1  # the border of two levels
    assert abs(painted(page.locator(".xt canvas")) - found.jump).max() <= 1


def test_a_file_that_is_no_picture_or_too_large_is_a_sentence(page, address, tmp_path):
    source = opened(page, address)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>")
    photo(64, 64).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    Image.new("1", (10_000, 10_000)).save(tmp_path / "wide.png")
    Image.new("1", (1, 4000)).save(tmp_path / "long.png")
    endless = b"\x89PNG\r\n\x1a\n"  # 68 bytes that say that they are 100 million pixels wide
    head = struct.pack(">IIBBBBB", 100_000_000, 1, 1, 0, 0, 0, 0)
    for name, content in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")):
        endless += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    (tmp_path / "endless.png").write_bytes(endless)
    with (tmp_path / "heavy.png").open("wb") as file:
        file.truncate(64_000_001)
    unreadable = "This file could not be read as a picture: choose a PNG, JPEG, WEBP, GIF or BMP."
    sentences = {
        "text.png": unreadable,
        "wide.png": "This picture has 100 megapixels: choose one of up to 50.",
        "drawing.svg": unreadable,
        "long.png": "This picture is 4,000 times as long as wide: choose one of up to 100 times.",
        "cut.png": unreadable,
        "heavy.png": "This file is too large: choose one of up to 64 MB.",
        "endless.png": unreadable,
    }
    source.get_by_label("A picture").first.check()
    before = source.get_attribute("data-picture")
    for name, sentence in sentences.items():
        source.locator("input[type=file]").set_input_files(tmp_path / name)
        source.locator(".wrong:visible", has_text=sentence).wait_for()
        assert source.get_attribute("data-picture") == before, "the picture before stays"


# Whether the model gets these levels of grey: while the square moves, any pause of 150 ms is fitted, too.
FITTED = """(levels) => {
  const image = document.querySelector(".source .fitted img");
  const canvas = new OffscreenCanvas(image.naturalWidth || 1, image.naturalHeight || 1);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return data.length === 4 * levels.length && levels.every((level, i) => data[4 * i] === level);
}"""


def test_the_square_is_where_the_visitor_put_it_and_light_can_be_dark(page, address, tmp_path):
    image = photo(100, 50)
    image.save(tmp_path / "own.png")
    source = opened(page, address, "mnist-tiny")
    sent(source, tmp_path / "own.png", "mnist-tiny")
    source.locator(".side-slider").fill("80")
    for _ in range(7):
        source.locator(".square").press("ArrowRight")
    source.get_by_label("Swap light and dark").check()
    # A square of 40 pixels, from the middle (25, 0) a tenth of 50 inwards and 14 % of 50 to the right.
    part = ImageOps.invert(image.crop((37, 5, 77, 45)).convert("L"))
    expected = square(part, 28, Image.Resampling.LANCZOS)
    page.wait_for_function(FITTED, arg=expected.ravel().tolist())
    assert (run(source, "mnist-tiny") == expected).all()


def test_a_link_of_before_opens_and_a_picture_of_another_size_is_a_sentence(page, address):
    """Python's zlib packed it, as the server did until pictures were made in the page."""
    image = np.asarray(photo(32, 32))
    for content, wrong in ((image, False), (image[:31], True), (np.zeros((3000, 3000), np.uint8), True)):
        page.goto("about:blank")
        source = opened(page, address, picture=as_text.to_text(content))
        if wrong:
            source.get_by_text("The picture must have the model's size, 32×32: choose it again").wait_for()
        else:
            assert (run(source) == image).all()


# What Train makes of the files of a control, with the progress of reading them.
LEARNED = """async ([module, files]) => {
  const { chosen, ownPictures } = await import(new URL(module, document.querySelector("link[rel=modulepreload]").href));
  const progress = [];
  try {
    const own = await ownPictures(chosen(files), async (...at) => progress.push(at));
    const [images, labels] = [own.pictures.images, own.pictures.labels].map((array) => array && [...array]);
    return { ...own.pictures, images, labels, originals: null, said: own.said, progress };
  } catch (error) {
    return { error: error.message };
  }
}"""


@pytest.fixture
def learned(page, address):
    """A function: what Train would learn of a folder or of files."""
    page.goto(f"{address}?tab=forward")
    page.wait_for_selector(".forward[data-ready=true]")

    def read(*paths):
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'own' }))"
        )
        folder = len(paths) == 1 and paths[0].is_dir()
        page.evaluate(
            "([folder]) => Object.assign(own, folder ? { webkitdirectory: true } : { multiple: true })", [folder]
        )
        page.locator("#own").set_input_files(paths[0] if folder else paths)
        found = page.evaluate(f"({LEARNED})(['learning/pictures.js', [...own.files]])")
        page.evaluate("own.remove()")
        return found

    return read


def test_a_training_learns_the_pixels_that_the_trainer_learns(learned, tmp_path):
    """Subfolders are classes, and the folder's other files are named."""
    for name, (make, _) in FILES.items():
        folder = tmp_path / "mine" / ("10" if "o" in name else "9")
        folder.mkdir(parents=True, exist_ok=True)
        make(folder / name)
    (tmp_path / "mine/9/notes.txt").write_text("no picture")
    (tmp_path / "mine/9/.hidden.png").write_text("no picture")
    found, source = learned(tmp_path / "mine"), ImageFolder(tmp_path / "mine")
    assert [found[name] for name in ("kind", "count", "side", "channels")] == ["own", len(FILES), 32, 3]
    assert found["classes"] == ["9", "10"] == list(source.classes) and found["labels"] == list(source.labels)
    assert found["said"] == ["One file could not be read as a picture: notes.txt."]
    assert found["progress"][-1] == [len(FILES) + 1, len(FILES) + 1]
    images = np.reshape(found["images"], (-1, 32, 32, 3))
    for i, image in enumerate(images):
        file = Path(source.name(i)).name
        # Of pictures with more than 256 pixels a side, means of blocks are taken first: at an edge of the picture, the
        # weights of these are not those of its pixels.
        most = 3 if file == "large.png" else FILES[file][1]
        assert abs(image - source.pixels(i, 32, 3).astype(int)).max() <= most, file


def test_small_grey_pictures_stay_small_and_grey(learned, tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(6)]
    for i, file in enumerate(files):
        photo(28, 20 + i, i).convert("L" if i % 2 else "RGB").convert("L").convert("RGB").save(file)
    found = learned(*files)
    assert [found[name] for name in ("count", "side", "channels", "labels", "classes", "said")] == [
        6,
        28,
        1,
        None,
        [],
        [],
    ]
    expected = np.stack([ImageFolder(tmp_path).pixels(i, 28, 1) for i in range(6)])
    assert (np.reshape(found["images"], expected.shape) == expected).all()
    photo(40, 29).save(tmp_path / "6.png")
    found = learned(*files, tmp_path / "6.png")
    assert [found[name] for name in ("count", "side", "channels")] == [7, 32, 3]


def test_too_few_pictures_are_a_sentence_and_of_too_many_some_are_taken(learned, tmp_path):
    for i in range(4):
        photo(9, 9, i).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text("no picture")
    assert learned(tmp_path) == {"error": "Choose at least 5 pictures. 4 could be read."}
    photo(9, 9).save(tmp_path / "4.png")
    said = ["4 files could not be read as pictures: 0.txt, 1.txt, 2.txt and 1 more."]
    assert learned(tmp_path)["said"] == said
