"""Picture files of any mode, depth, orientation and transparency are read as they look."""

import ast
import io
import os
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from ddpm_core.commands.chain import read_picture
from ddpm_core.imaging.image_files import (
    BACKGROUND,
    FORMATS,
    KINDS,
    MODES,
    is_grey,
    open_picture,
    over_grey,
    square,
    to_8_bits,
)
from train.data.sources import open_source

ROOT = Path(__file__).resolve().parents[2]

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def through(image, format, **options):
    """A picture as it comes back from a file."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def seen(image, channels=3):
    return square(to_8_bits(image, channels), image.width)


def near(pixels, expected, tolerance=1):
    return np.abs(pixels.astype(int) - np.rint(expected)).max() <= tolerance


DEEP = {
    "16 bits": lambda x: through(Image.fromarray((x * 65535).astype(np.uint16)), "PNG"),
    "16 bits, big-endian": lambda x: Image.frombytes("I;16B", (8, 8), (x * 65535).astype(">u2").tobytes()),
    "PGM": lambda x: Image.open(io.BytesIO(b"P5 8 8 65535\n" + (x * 65535).astype(">u2").tobytes())),
    "PGM of 10 bits": lambda x: Image.open(io.BytesIO(b"P5 8 8 1023\n" + (x * 1023).astype(">u2").tobytes())),
    "32 bits": lambda x: through(Image.fromarray((x * 65535).astype(np.int32)), "TIFF"),
    "32 bits, 0 to 255": lambda x: through(Image.fromarray((x * 255).astype(np.int32)), "TIFF"),
    "32 bits, all used": lambda x: through(Image.fromarray((x * (2**31 - 1)).astype(np.int32)), "TIFF"),
    "float": lambda x: through(Image.fromarray(x.astype(np.float32)), "TIFF"),
    "float, 0 to 255": lambda x: through(Image.fromarray((x * 255).astype(np.float32)), "TIFF"),
    "float, 0 to 65535": lambda x: through(Image.fromarray((x * 65535).astype(np.float32)), "TIFF"),
}


@pytest.mark.parametrize("kind", DEEP)
def test_more_than_8_bits_keep_their_brightness(kind):
    image = DEEP[kind](RAMP)
    assert is_grey(image)
    assert near(seen(image, 1)[..., 0], RAMP * 255)
    assert near(seen(image), RAMP[..., None] * 255)


def test_a_dark_picture_of_16_bits_stays_dark():
    dark = np.full((8, 8), 200, np.uint16)
    for image in (
        through(Image.fromarray(dark), "PNG"),
        Image.open(io.BytesIO(b"P5 8 8 65535\n" + dark.byteswap().tobytes())),
    ):
        assert seen(image).max() <= 1


def test_pixels_that_are_no_numbers_are_refused():
    for odd in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            to_8_bits(Image.fromarray(np.full((4, 4), odd, np.float32)))


def _palette(transparency=None):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 8))
    return through(image, "PNG", **({} if transparency is None else {"transparency": transparency}))


def _clear(mode, visible, hidden):
    """The left half is visible, the right half is transparent and hides something."""
    image = Image.new(mode, (8, 8), visible)
    image.paste(hidden, (4, 0, 8, 8))
    return image


def _key(mode, visible, hidden, key):
    return through(_clear(mode, visible, hidden), "PNG", transparency=key)


TRANSPARENT = {
    "RGBA": _clear("RGBA", (255, 0, 0, 255), (0, 255, 0, 0)),
    "RGBa": _clear("RGBA", (255, 0, 0, 255), (0, 255, 0, 0)).convert("RGBa"),
    "LA": _clear("LA", (76, 255), (255, 0)),
    "RGB with a key": _key("RGB", (255, 0, 0), (0, 255, 0), (0, 255, 0)),
    "L with a key": _key("L", 76, 255, 255),
    "1 with a key": _key("1", 0, 255, 255),
    "16 bits with a key": _key("I;16", 76 * 257, 65535, 65535),
    "palette with a key": _palette(1),
    "palette with alphas": _palette(b"\xff\x00"),
    "WebP": through(_clear("RGBA", (255, 0, 0, 255), (0, 255, 0, 0)), "WEBP", lossless=True, exact=True),
    "GIF": through(_palette(1), "GIF", transparency=1),
}


@pytest.mark.parametrize("kind", TRANSPARENT)
def test_transparent_parts_lie_over_grey_and_never_show_what_they_hide(kind):
    image = TRANSPARENT[kind]
    colours = seen(image)
    assert (colours[:, 4:] == BACKGROUND).all() and not (colours[:, :4] == BACKGROUND).all(-1).any()
    assert (seen(image, 1)[:, 4:] == BACKGROUND).all()
    for channels in (2, 4):
        kept = seen(image, channels)
        assert (kept[:, :4, -1] == 255).all() and (kept[:, 4:, -1] == 0).all()
        assert near(over_grey(kept), seen(image, 1 if channels == 2 else 3))


def test_half_transparent_parts_are_mixed_with_grey():
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert near(seen(image), (192, 64, 64))
    assert near(over_grey(seen(image, 4)), (192, 64, 64))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"])
@pytest.mark.parametrize("channels", MODES)
def test_every_mode_becomes_every_number_of_channels(mode, channels):
    pixels = seen(Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode), channels)
    assert pixels.shape == (8, 8, channels) and pixels.dtype == np.uint8 and pixels.min() >= 254


def test_only_grey_modes_are_grey():
    modes = ["1", "L", "LA", "La", "I", "I;16", "F", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"]
    assert [mode for mode in modes if is_grey(Image.new(mode, (1, 1)))] == ["1", "L", "LA", "La", "I", "I;16", "F"]


def test_a_turned_photo_is_upright_in_every_mode():
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray((RAMP * 255).astype(np.uint8))
        turned = through(image, "PNG", exif=exif)
        expected = np.asarray(image)
        if orientation in (5, 6, 7, 8):  # rows and columns are exchanged
            expected = expected.T
        if orientation in (2, 3, 6, 7):
            expected = expected[:, ::-1]
        if orientation in (3, 4, 7, 8):
            expected = expected[::-1]
        assert np.array_equal(seen(turned, 1)[..., 0], expected), orientation


def test_exif_that_is_damaged_does_not_cost_the_picture_nor_a_word(recwarn):
    for exif in (b"junk", b"Exif\0\0II*\0" + struct.pack("<I", 8) + b"\xff\xff"):
        image = through(Image.new("RGB", (8, 8), (9, 8, 7)), "PNG", exif=exif)
        assert (seen(image) == (9, 8, 7)).all() and not recwarn.list


def test_an_animation_is_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    for format in ("GIF", "PNG", "TIFF"):
        assert (seen(through(frames[0], format, save_all=True, append_images=frames[1:])) == (255, 0, 0)).all()


def test_the_middle_is_kept():
    image = Image.new("L", (40, 20), 0)
    image.paste(255, (10, 0, 30, 20))
    assert square(to_8_bits(image), 8).shape == (8, 8, 3) and square(to_8_bits(image, 1), 20).min() == 255


# --- What is opened at all


READERS = {
    "library": open_picture,
    "command line": lambda path: read_picture(path, 8, 3),
    "trainer": lambda path: open_source(str(path.parent)).picture(0).load(),
}


@pytest.mark.parametrize("reader", READERS)
def test_no_program_is_run_for_a_picture(reader, tmp_path, monkeypatch):
    """Pillow gives PostScript to Ghostscript, whatever the file's name says."""
    (tmp_path / "programs").mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        path = tmp_path / "programs" / name
        path.write_text(f'#!/bin/sh\ntouch "{tmp_path}/was-run"\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "pictures" / "x.png"
    Image.new("RGB", (8, 8)).save(path, "EPS")
    with suppress(OSError):
        Image.open(path).load()
    assert (tmp_path / "was-run").exists(), "this test could not fail"
    (tmp_path / "was-run").unlink()
    with pytest.raises((ValueError, UnidentifiedImageError), match=f"as a picture.*{KINDS}"):
        READERS[reader](path)
    assert not (tmp_path / "was-run").exists()


def test_no_format_is_opened_but_the_listed_ones(monkeypatch):
    def opened(file, name):
        raise AssertionError("its plugin was asked")

    Image.init()
    others = [name for name in Image.OPEN if name not in FORMATS]
    assert len(others) > 30
    for name in others:
        monkeypatch.setitem(Image.OPEN, name, (opened, lambda prefix: True))
    with pytest.raises(AssertionError, match="was asked"):
        Image.open(io.BytesIO(bytes(64)))
    with pytest.raises(UnidentifiedImageError, match=KINDS):
        open_picture(io.BytesIO(bytes(64)))


@pytest.mark.parametrize("format", [*FORMATS, "MPO"])  # a phone's JPEG of several pictures
def test_the_listed_formats_are_opened(format):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(buffer, format)
    assert near(seen(open_picture(buffer)), 255)


def test_everything_opens_pictures_with_this_function():
    for path in (path for room in ("ddpm_core", "ui", "train") for path in (ROOT / room).rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        opens = [call for call in calls if ast.unparse(call) in ("Image.open", "PIL.Image.open", "plt.imread")]
        assert len(opens) == (path.name == "image_files.py"), path
