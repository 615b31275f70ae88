"""Pictures that are too large, cut off, or none."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soak.hostile.case import Case


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
