// What tests/browser/test_shelf.py lets a browser do: its store, and a store that refuses.
import { Shelf } from "../../learning/shelf.js";

const shelf = new Shelf(document.baseURI);
const files = new Map([["a/b.bin", Uint8Array.of(1, 2, 3)]]);
const [full, closed] = ["QuotaExceededError", "SecurityError"].map((name) => new DOMException("", name));
const listed = async () => (await shelf.all()).map(({ ref }) => ref);

/** Do something while a method of the browser throws. */
async function without(owner, method, error, act) {
  const own = owner[method];
  owner[method] = () => {
    throw error;
  };
  try {
    return await act();
  } finally {
    owner[method] = own;
  }
}

/** Fill the shelf, and see what becomes of what can't be kept. */
export async function fill() {
  const before = await shelf.restore();
  const kept = await shelf.keep({ step: 1, weights: [Float32Array.of(0.5, -0)], names: new Map([["a", 2n]]) });
  const refs = [];
  for (const title of ["Stars, 20 drawings", "Stars: 20 drawings!", "☆"])
    refs.push(await shelf.put({ title, facts: { Images: "20" }, files }));
  const refused = (act) => act().then(String, ({ message }) => message);
  const write = () => shelf.keep({ step: 2 });
  return {
    ...{ before, kept, refs },
    full: await without(IDBObjectStore.prototype, "put", full, write),
    none: await without(IDBFactory.prototype, "open", closed, write),
    nothing: await without(IDBFactory.prototype, "open", closed, () => Promise.all([shelf.restore(), shelf.all()])),
    half: await refused(() => shelf.put({ title: "Half", facts: {}, files: () => {} })), // no store keeps a function
    all: await listed(),
  };
}

/** What is on the shelf, and then no more. */
export async function empty() {
  const { step, weights, names } = await shelf.restore();
  const all = await shelf.all();
  const model = await shelf.get(all[0].ref);
  const found = [step, ...weights[0], String(names.get("a")), Object.is(weights[0][1], -0)];
  await shelf.drop();
  await shelf.remove(all[0].ref);
  const other = await new Shelf(new URL("other/", document.baseURI).href).all();
  return {
    ...{ found, all, title: model.title, bytes: [...model.files.get("a/b.bin")], other },
    after: [await shelf.restore(), await shelf.get(all[0].ref), await listed()],
  };
}
