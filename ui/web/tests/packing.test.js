import assert from "node:assert/strict";
import { test } from "node:test";
import { revived, unpacked, unpacking } from "../messages/packing.js";

/** The bytes of one piece. @param {unknown} head @param {...Buffer} leaves */
function piece(head, ...leaves) {
  const text = Buffer.from(JSON.stringify(head));
  const rest = Buffer.concat(leaves);
  return new Uint8Array(Buffer.concat([Buffer.from(Uint32Array.of(text.length, rest.length).buffer), text, rest]));
}

const PNG = { type: "image/png", at: 0, size: 3 };

test("arrays of uint8 are pictures, others numbers", () => {
  const head = {
    values: { seed: 7 },
    frames: [[[0, { at: 9, size: 4, type: "uint8", shape: [2, 1, 2, 1] }]]],
    x0: [[0, { at: 0, size: 8, type: "float32", shape: [2, 1] }]],
    field: { at: 8, size: 1, type: "int8", shape: [1] },
    x: { at: 13, size: 4, type: "int16", shape: [1, 2] },
  };
  const numbers = Buffer.from(Float32Array.of(0.5, -2).buffer);
  const whole = Buffer.from(Int16Array.of(-3, 300).buffer);
  const found = unpacked(piece(head, numbers, Buffer.of(254, 1, 2, 3, 4), whole));
  const [[[k, pictures]]] = found.frames;
  const levels = pictures.map((/** @type {{ data: Uint8Array }} */ { data }) => [...data]);
  assert.deepEqual(
    [found.values, k, levels],
    [
      { seed: 7 },
      0,
      [
        [1, 2],
        [3, 4],
      ],
    ],
  );
  assert.deepEqual([pictures[1].width, pictures[1].height, pictures[1].channels], [2, 1, 1]);
  assert.deepEqual(found.x0, [[0, Float32Array.of(0.5, -2)]]);
  assert.deepEqual([found.field, found.x], [Int8Array.of(-2), Int16Array.of(-3, 300)]);
});

test("messages come whole, however their bytes are cut", async () => {
  const sent = [
    piece({ seq: 1, results: [] }),
    piece({ seq: 2, results: [{ x: PNG }] }, Buffer.of(7, 8, 9)),
    piece({ seq: 3, text: "ᾱ" }),
  ];
  const all = Buffer.concat(sent);
  for (const length of [1, 5, 64, all.length]) {
    const cuts = Array.from({ length: Math.ceil(all.length / length) }, (_, i) => i * length);
    const body = new ReadableStream({
      start(stream) {
        for (const at of cuts) stream.enqueue(new Uint8Array(all.subarray(at, at + length)));
        stream.close();
      },
    });
    const found = [];
    for await (const one of unpacking(body)) found.push(one);
    const { x } = found[1].results[0];
    assert.deepEqual(
      found.map(({ seq }) => seq),
      [1, 2, 3],
      String(length),
    );
    assert.deepEqual([x.type, [...new Uint8Array(await x.arrayBuffer())]], ["image/png", [7, 8, 9]]);
    assert.equal(found[2].text, "ᾱ");
  }
});

test("a file of JSON has the same as text", async () => {
  const text = JSON.stringify({
    x: { type: "image/png", base64: "BwgJ" },
    cloud: { type: "int16", base64: "/f8sAQ==" },
  });
  const { x, cloud } = JSON.parse(text, revived);
  assert.deepEqual(
    [x.type, [...new Uint8Array(await x.arrayBuffer())], cloud],
    ["image/png", [7, 8, 9], Int16Array.of(-3, 300)],
  );
});
