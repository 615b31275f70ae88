// An evaluation with a probe for tests/page/test_local_inside.py, in node and in a browser; arrays are base64 of their float32.

export const numbers = (text) => new Float32Array(Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer);
export function text({ buffer, byteOffset, byteLength }) {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export const packed = (taps) =>
  Object.fromEntries(Array.from(taps, ([name, { shape, data }]) => [name, { shape, data: text(data) }]));

/** The output, and what is shown. place: also where it looks. */
export async function probed({ network }, condition, { x, t, taps, cut, graft, place }) {
  const probe = { taps: new Map(taps.map((name) => [name, null])), cut: new Set(cut) };
  probe.graft = new Map(Object.entries(graft).map(([name, data]) => [name, numbers(data)]));
  if (place) probe.look = { place, maps: [] };
  const output = text(await network(numbers(x), t, condition, probe));
  const maps = probe.look?.maps.map(({ name, ...map }) => [name, map]) ?? [];
  return { output, taps: packed(probe.taps), maps: packed(maps) };
}
