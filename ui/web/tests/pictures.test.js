// A visitor's picture in the page: made smaller as Pillow does it, cropped, and packed as text. What Pillow 12.3 makes of
// `picture` was recorded: `Image.resize`, `Image.reduce`, and `to_8_bits` of ddpm_core/imaging/image_files.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { bytes } from "../messages/bytes.js";
import { fitted, middleOf, withChannels } from "../pictures/fit.js";
import { within } from "../pictures/open.js";
import { reduced, resized } from "../pictures/resize.js";
import { asText, fromText, toText, unpack } from "../pictures/text.js";

function picture(width, height, channels) {
  const level = (_, i) => (i * i * 37 + i * 101) >> 3;
  return { width, height, channels, data: Uint8Array.from({ length: width * height * channels }, level) };
}

// Size and channels of the picture, the new size, the filter, the part that is taken, and what Pillow makes of it.
const RESIZED = [
  [[23, 17, 1], [7, 5], "lanczos", undefined, "fJaFiJaCfYpulYxzRXxke3mIen2NmouFeH5ojI2Kmm1Fn4U="],
  [
    [5, 4, 3],
    [9, 11],
    "lanczos",
    undefined,
    "AAAbADBgIXjCqmS8/yCK/xi22Fe3W51VE8IRBgQaEDNRQnSinnGr6kCN+jCx0VmvYZdjHbsvRhoYVzo3e29ujIiOm3aRv1enxF2ia419L69jm0QUsE4bumw3b6J2NbaecI2dr2uMf4STU5ya3IcL5HYPyG8vRaeFANzBMMWfmZFyoYWGkoad584A0agekXtqH5DEAMzvIOSvisVcxZRR2XVc0fAAqMo8XJCyH3n6G57/Mtm0ft9U06Mq/3QkwtsJpcpScqjLUX30TnvYRa2ZcMhbv6RA7YM9wqcbxLRZury4l5bFbW6XT3lwY5ZpmZt7u5iLw3gq4J1b+ceezqyWf2phVVFPXGl2eJGvjanQwloy8I1c/86O77l7jGdAWzg8WU5+ZIvOb7T5",
  ],
  [[40, 30, 3], [4, 4], "lanczos", [5, 0, 35, 30], "cnp2iXuBcoGGin5zdHCCj5CEeaSBhIeFinhze32KgZFzg4yJdnpedYSJnYN4g3qB"],
  [[31, 9, 1], [6, 6], "lanczos", [10.5, 0.25, 20.75, 8.5], "mGuYaKt4rlhduK+DoIVcEQtPfnqpjF+rlQ6JhqqZaWByg4SF"],
  [
    [30, 20, 4],
    [5, 5],
    "lanczos",
    undefined,
    "dXltk3Z8iH+ceHqBdYeDhHxrfG+BYmaCeo1vcICAeHt5g4aKgm6Fb3Z2a3RymXp9goGZmo16gHmBjYV8eIR+gZWMfnt4gY+OhpeGhYB1eIl8YX59bIaOgYJ6foOVkH+KfoCMbQ==",
  ],
  [
    [12, 12, 2],
    [5, 7],
    "bicubic",
    undefined,
    "d2SXm1W0l2qXapmZdoqYk4d1pIpPrqWLg0BlWG6Bgpd/bFNfkpBIcYGOfqVPjnttf5qWbnd6e36IdmqJm3ZqfKW0fI9Mjw==",
  ],
  [
    [3, 2, 3],
    [6, 4],
    "bicubic",
    undefined,
    "AAMQACI9L2ScfXC/2Uai/zGVMxRBMTNYOHSKb4CWzVR8+D9wxTejnFWQSZVnUZ1GtHAw41ol/0jU0marUqVVQ60dqH4K2WgA",
  ],
  [[64, 64, 3], [4, 3], "bicubic", undefined, "gIJ+f39/f4F+gIB+f3+Bf3+Af3+Af4B/f3+AgX9/gn+Ag3+A"],
  [[9, 7, 3], [4, 4], "nearest", [1, 0, 8, 7], "T3yy6Ey6zmoPANSxgqLM0CiJavqTUhnpEiZDFGC1ZOdzAbt//gYXtvU9uzGxDbty"],
];
// Size and channels of the picture, and the sides of a block.
const REDUCED = [
  [[13, 10, 3], 3, 4, "fYeFem1ppZV6fYF4WFTYgVikjo9uX516cq5zYH5mQ2pwcm2bZLKJmY+PedI0"],
  [[16, 8, 1], 2, 2, "I2tZraWBg6uLo2GFjbmLg3ObqZ11cZObW5NxtV1pWzM="],
  [[7, 9, 4], 5, 3, "cn+fjnOEn4t2b3aMh3lhXJ9va46DdnR2"],
];
const CHANNELS = {
  1: "XYqrfmJDhZpMf42E",
  2: "D0+pO7u6fc4+dSixioCc5EPbfmeZhpI6",
  3: "WF5mf4yaicxaQKhIdkycTSe6jIN/ipy3I1SNYIaws3G7a5KA",
};
const PACKED = "eNpjENT2r9n0ybr3hc8uw43W57L495aaMVzZOL2tDgCgHwxO"; // by Python's zlib, of picture(3, 3, 3)

/** All are sums of whole numbers: not one level may differ. */
function same({ data }, recorded, name) {
  assert.deepEqual([...data], [...bytes(recorded)], name);
}

test("a picture is resized as Pillow does it", () => {
  for (const [sides, size, filter, box, recorded] of RESIZED)
    same(resized(picture(...sides), ...size, filter, box), recorded, `${sides} ${filter}`);
  for (const [sides, across, down, recorded] of REDUCED)
    same(reduced(picture(...sides), across, down), recorded, String(sides));
});

test("a picture becomes grey, and lies on grey, as Pillow does it", () => {
  for (const [channels, recorded] of Object.entries(CHANNELS))
    same(withChannels(picture(4, 3, 4), Number(channels)), recorded, channels);
});

test("a picture is made small enough as Pillow's thumbnail is", () => {
  const sizes = [
    [301, 200, 512, 301, 200],
    [700, 120, 512, 512, 88],
    [120, 700, 2986, 120, 700],
    [5000, 50, 512, 512, 5],
    [50, 5000, 512, 5, 512],
    [999, 1000, 64, 64, 64],
    [1, 51200, 512, 1, 512],
  ];
  for (const [width, height, longest, ...size] of sizes) assert.deepEqual(within(width, height, longest), size);
});

/** Opaque, of levels that say where they are. */
function whole(width, height) {
  const level = (_, i) => [(i >> 2) % width, Math.floor((i >> 2) / width), 0, 255][i & 3];
  return { width, height, channels: 4, data: Uint8Array.from({ length: 4 * width * height }, level) };
}

test("a square is where it was put, and one that sticks out is moved inside", () => {
  const corner = (square, size = 4) => {
    const { data } = fitted(whole(20, 10), square, { size, channels: 3 }, false);
    return [...data.slice(0, 2), ...data.slice(-3, -1)];
  };
  assert.deepEqual(corner({ left: 0, top: 0, side: 0.4 }), [0, 0, 3, 3]);
  assert.deepEqual(corner({ left: 1.2, top: 0.3, side: 0.4 }), [12, 3, 15, 6]);
  assert.deepEqual(corner({ left: 9, top: 9, side: 0.4 }), [16, 6, 19, 9]);
  assert.deepEqual(corner({ left: 0.25, top: 0.35, side: 0.4 }), [2, 4, 5, 7]); // a half goes to the even number
  assert.deepEqual(corner({ left: 0, top: 0, side: 0.001 }, 1), [0, 0, 0, 0]); // a pixel at least
});

test("light is swapped for dark, and alpha stays", () => {
  const half = { ...whole(4, 4), data: Uint8Array.from({ length: 64 }, (_, i) => [200, 100, 0, 90][i & 3]) };
  const made = (channels) => [...fitted(half, { left: 0, top: 0, side: 1 }, { size: 4, channels }, true).data];
  assert.deepEqual(made(4).slice(0, 4), [55, 155, 255, 90]);
  assert.deepEqual(made(2).slice(0, 2), [255 - 118, 90]);
  assert.deepEqual(made(3).slice(0, 3), [255 - 153, 255 - 118, 255 - 83]); // on grey before
});

test("Forward takes a square of 32 to 128 pixels a side", () => {
  const sides = [
    [1, 1],
    [300, 40],
    [150, 200],
  ].map((size) => middleOf(whole(...size)).width);
  assert.deepEqual(sides, [32, 40, 128]);
  const { data } = middleOf(whole(100, 40));
  assert.deepEqual([...data.slice(0, 3), ...data.slice(-3)], [30, 0, 0, 69, 39, 0]);
});

/** The picture of a text. */
async function read(text, model) {
  await unpack(text);
  return fromText(text, model);
}

test("a picture stays the same as text, and links of Python's packing open", async () => {
  for (const channels of [1, 2, 3, 4]) {
    const own = picture(5, 5, channels);
    const text = await toText(own);
    assert.match(text, /^[\w-]+=*$/);
    assert.deepEqual(await read(text, { image_size: 5, channels }), own);
  }
  assert.deepEqual(await read(PACKED, { image_size: 3, channels: 3 }), picture(3, 3, 3));
});

test("bytes that a script has are a text for zlib", () => {
  for (const n of [0, 5, 65535, 65536, 200_000]) {
    const bytes = Uint8Array.from({ length: n }, (_, i) => i % 251);
    assert.deepEqual(new Uint8Array(inflateSync(Buffer.from(asText(bytes), "base64url"))), bytes);
  }
});

test("anything but a picture of the model's size is a sentence", async () => {
  const bomb = await toText({ data: new Uint8Array(5e7) });
  for (const text of [
    "",
    "?",
    "AAAA",
    PACKED.slice(0, -4),
    PACKED.slice(0, -1),
    `${PACKED} `,
    "é",
    bomb,
    await toText(picture(3, 3, 1)),
  ])
    await assert.rejects(read(text, { image_size: 3, channels: 3 }), {
      message: "The picture must have the model's size, 3×3: choose it again",
    });
});
