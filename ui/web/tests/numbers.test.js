import assert from "node:assert/strict";
import { test } from "node:test";
import { ceiling, decades, halves, outline, powers, scale, stairs } from "../drawing/chart.js";
import { WORDS as BETWEEN } from "../parts/between/words.js";
import { press, walked } from "../parts/forward/words.js";
import { summary } from "../parts/likelihood/words.js";
import { blockTitle, WORDS as NETWORK } from "../parts/network/words.js";
import { BOARD, CHARTS, WORDS as POINTS } from "../parts/plane/words.js";
import { TYPING } from "../parts/watch/words.js";
import { fixed, fraction, number, power, signed } from "../words/numbers.js";

test("numbers are written as in the paper", () => {
  const written = [
    [0, "0"],
    [0.21, "0.21"],
    [0.00095, "0.00095"],
    [0.00004, "4·10⁻⁵"],
    [3e-12, "3·10⁻¹²"],
    [2.7, "2.7"],
    [9.94, "9.9"],
    [27.4, "27"],
    [Number.POSITIVE_INFINITY, "∞"],
  ];
  for (const [value, text] of written) assert.equal(number(value), text);
  assert.equal(signed(-0.5), "−0.50");
  assert.equal(fixed(0.12345), "0.1235");
});

test("a share has the digits that tell it from 1", () => {
  assert.deepEqual([0, 0.5, 0.95, 0.99, 0.9999, 0.99985, 1].map(fraction), [
    "0",
    "0.50",
    "0.95",
    "0.99",
    "0.9999",
    "0.9999",
    "1.0",
  ]);
});

test("powers of ten", () => {
  assert.deepEqual([-12, -1, 0, 1, 5].map(power), ["10⁻¹²", "10⁻¹", "1", "10", "10⁵"]);
});

test("axes grow upwards, and a curve breaks where nothing is known", () => {
  assert.deepEqual([0, 0.25, 1].map(scale(0, 1)), [100, 75, 0]);
  assert.deepEqual([1e-4, 1e-2, 1].map(scale(-4, 0, true)), [100, 50, 0]);
  const points = [
    [0, 1],
    [1, null],
    [2, 3],
    [3, 4],
  ];
  assert.equal(outline(points), "M0.00 1.00M2.00 3.00L3.00 4.00");
});

test("axes hold all values, with few lines", () => {
  const whole = (values) => decades(values).map((v) => v + 0); // no −0
  for (const [values, ends] of [
    [
      [0.02, 0.5],
      [-2, 0],
    ],
    [
      [0.97, 0.09, 0],
      [-2, 0],
    ],
    [[], [-2, 0]],
    [[0.1], [-1, 0]],
  ])
    assert.deepEqual(whole(values), ends);
  assert.deepEqual(powers(-2, 0), [
    [100, "10⁻²"],
    [50, "10⁻¹"],
    [0, "1"],
  ]);
  for (let low = -9; low < 0; low++) {
    const { length } = powers(low, 1);
    assert.ok(length >= 2 && length <= 5, String(length));
  }
  assert.deepEqual([0.07, 3, 91, 100, 0.5].map(ceiling).map(Number), [0.1, 5, 100, 100, 0.5]);
  assert.deepEqual(
    halves(1).map(([top, label]) => [top, label]),
    [
      [100, "0"],
      [50, "0.5"],
      [0, "1"],
    ],
  );
});

test("a histogram is drawn along its edges", () => {
  assert.equal(outline(stairs([0, 40, 100], [7, 8])), "M0.00 7.00L40.00 7.00L40.00 8.00L100.00 8.00");
});

test("one thing is said in the singular", () => {
  const said = [
    TYPING.sketch(1),
    BETWEEN.sketches("1"),
    CHARTS.steps(1),
    POINTS.points(1, 500, ""),
    BOARD.count(1),
    press(1),
    NETWORK.channels(1, "the input"),
    blockTitle({ name: "", shape: [1, 28, 28], parts: "a convolution" }),
    walked(1),
    summary("Digits", 1),
  ];
  for (const one of said) assert.doesNotMatch(one, /\b1 (steps|points|channels|images)/, one);
  assert.equal(TYPING.sketch(10), "Quick sketch in 10 steps");
});
