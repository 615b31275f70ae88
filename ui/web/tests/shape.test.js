// The U of a network: nothing covers anything else, in any width and with any number of levels.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shape } from "../parts/network/shape.js";

/** @param {number} levels @param {boolean} middle */
function blocksOf(levels, middle) {
  const down = Array.from({ length: levels }, (_, i) => ({ name: `down ${i + 1}`, columns: 64 >> i }));
  const up = Array.from({ length: levels }, (_, i) => ({ name: `up ${i + 1}`, columns: 64 >> (levels - 1 - i) }));
  const all = [...down, ...(middle ? [{ name: "middle", columns: 64 >> (levels - 1) }] : []), ...up];
  return all.map(({ name, columns }) => ({ name, shape: /** @type {any} */ ([8, columns, columns]), parts: "" }));
}

for (const width of [288, 358, 584, 1200])
  for (const levels of [2, 3, 4, 5])
    test(`a U of ${levels} levels in ${width} pixels`, () => {
      for (const middle of [true, false]) {
        const { places, order, ways, skips, height } = shape(blocksOf(levels, middle), width, 584);
        assert.deepEqual([...order].sort(), Object.keys(places).sort());
        assert.equal(ways.length, order.length - 1);
        assert.equal(skips.length, levels);
        const tiles = order.map((name) => places[name]);
        for (const [i, { x, y, side }] of tiles.entries()) {
          assert.ok(x - side / 2 >= 0 && x + side / 2 <= width && y + side <= height);
          for (const other of tiles.slice(i + 1))
            assert.ok(Math.abs(x - other.x) >= side || Math.abs(y - other.y) >= side + 20, "tiles are apart");
        }
        for (const { from, to, y } of skips) {
          assert.equal(places[from].y, places[to].y);
          assert.ok(places[to].x - places[from].x - places[from].side >= 100, "two names have room on the line");
          assert.ok(y > places[from].y + 30 && y < places[from].y + places[from].side, "the line is below the names");
        }
      }
    });
