// What one draws, and files of one's own, for a network to learn. What the files' pixels become is tested in a browser:
// tests/page/test_own_pictures.py.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { drawnPictures, SHEET, VARIED } from "../learning/drawings.js";
import { chosen, dropped, FEWEST, MOST, ownPictures } from "../learning/pictures.js";

const file = (name, webkitRelativePath = "") => ({ name, webkitRelativePath, size: 9, type: "" });
const isFile = (name, path) => ({
  ...{ isFile: true, fullPath: path },
  file: (take, fail) => (name ? take(file(name)) : fail(new Error("gone"))),
});

/** A folder, which a browser reads piece by piece. */
const folder = (fullPath, ...pieces) => ({
  ...{ isFile: false, fullPath },
  createReader: () => ({ readEntries: (take) => take(pieces.shift() ?? []) }),
});

/** A browser that gives back the pixels that it was given. */
function canvas() {
  let kept = { data: new Uint8Array(4) };
  const context = {
    createImageData: (width, height) => ({ data: new Uint8Array(4 * width * height) }),
    putImageData(image) {
      kept = image;
    },
    getImageData: () => kept,
  };
  globalThis.OffscreenCanvas = class {
    getContext = () => context;
  };
}

test("dropped folders are read to their end, and what can't be read is left out", async () => {
  const inner = folder(
    "/a/b",
    [isFile("2.png", "/a/b/2.png")],
    [isFile("3.png", "/a/b/3.png"), isFile("", "/a/b/4.png")],
  );
  const entries = [folder("/a", [isFile("1.png", "/a/1.png"), inner]), isFile("5.png", "/5.png"), null];
  const found = await dropped({ items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })) });
  assert.deepEqual(
    found.map(({ path }) => path),
    ["a/1.png", "a/b/2.png", "a/b/3.png", "5.png"],
  );
  assert.deepEqual(
    chosen([file("1.png", "a/1.png"), file("2.png")]).map(({ path }) => path),
    ["a/1.png", "2.png"],
  );
});

test("of too many files some are taken, evenly, and where none is a picture there is one sentence", async () => {
  canvas();
  const steps = [];
  const all = chosen(Array.from({ length: 2 * MOST }, (_, i) => file(`${i}`)));
  const reading = ownPictures(all, async (done, count) => steps.push([done, count]));
  await assert.rejects(reading, { message: `Choose at least ${FEWEST} pictures. 0 could be read.` });
  assert.deepEqual(steps.at(-1), [MOST, MOST]);
  await assert.rejects(
    ownPictures([], async () => {}),
    /0 could be read/,
  );
});

test("drawings become the same pictures everywhere", async () => {
  const zigzag = (_, i) => [
    [14 * i, 20, 140, 100 + i, 30, 260, 250, 280 - i],
    [200, 40 + 3 * i],
  ];
  const drawings = Array.from({ length: SHEET.fewest }, zigzag);
  const { images, originals, count } = await drawnPictures(drawings, async () => {});
  assert.equal(count, SHEET.fewest * VARIED.count);
  assert.equal(originals.length, SHEET.fewest * SHEET.side ** 2);
  assert.equal(createHash("sha256").update(images).digest("hex").slice(0, 16), "4570e8f13b8353ab");
});
