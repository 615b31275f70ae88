// What Python's own code needs that `ui/static/translate.py` writes as JavaScript: its types, operators and builtins,
// as far as fields, plans, captions and scripts use them. Dictionaries and sets compare their keys as Python does.

/** @typedef {(...given: any[]) => any} Any */

export class ValueError extends Error {
  /** @param {unknown} what a sentence, or an error that has it */
  constructor(what = "") {
    super(what instanceof Error ? what.message : String(what));
  }
}
class KeyError extends Error {}

/** What all translated classes extend: `new` calls `__init__`. */
class Thing {
  /** @param {any[]} given */
  constructor(...given) {
    /** @type {any} */ (this).__init__(...given);
  }
  __init__() {}
}

/** A float whose value is whole: Python writes its ".0". */
class Float extends Number {}
class Tuple extends Array {}
class Bytes extends Uint8Array {}
class Range extends Array {}

/** Keyword arguments, after all others. */
class Named {
  /** @param {any} pairs */
  constructor(pairs) {
    /** @type {Record<string, any>} */
    this.values = Object.fromEntries(pairs);
  }
}

/** What a key is looked up by. @param {any} key @returns {string} */
const keyOf = (key) => {
  if (key instanceof Number || typeof key === "number") return `n${Number(key)}`;
  return Array.isArray(key) || key?.constructor?.$rows ? `(${[...key].map(keyOf).join()})` : `${typeof key} ${key}`;
};

export class Dict {
  /** @type {Map<string, [any, any]>} */
  map = new Map();
  /** @param {Iterable<[any, any]>} [pairs] */
  constructor(pairs = []) {
    for (const [key, value] of pairs) this.set(key, value);
  }
  /** @param {any} key @param {any} value */
  set(key, value) {
    this.map.set(keyOf(key), [this.map.get(keyOf(key))?.[0] ?? key, value]);
  }
  /** @param {any} key @param {any} [usual] */
  get(key, usual = null) {
    const found = this.map.get(keyOf(key));
    return found ? found[1] : usual;
  }
  /** @param {any} key */
  has(key) {
    return this.map.has(keyOf(key));
  }
  items = () => [...this.map.values()].map((pair) => tuple([...pair]));
  keys = () => [...this.map.values()].map(([key]) => key);
  values = () => [...this.map.values()].map(([, value]) => value);
  [Symbol.iterator]() {
    return this.keys()[Symbol.iterator]();
  }
}

class Set_ extends Dict {}

/** @param {any[]} values */
const tuple = (values) => Object.setPrototypeOf(values, Tuple.prototype);
/** @param {any} value */
const isNumber = (value) => typeof value === "number" || value instanceof Number;
/** @param {any} value */
const isFloat = (value) => value instanceof Float || (typeof value === "number" && !Number.isInteger(value));

/** @param {any} x @returns {string} */
function floatText(x) {
  const value = Number(x);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** @param {any} x @returns {string} */
function text(x) {
  if (x === null || x === undefined) return "None";
  if (typeof x === "boolean") return x ? "True" : "False";
  if (typeof x === "string") return x;
  if (x instanceof Error) return x.message;
  return repr(x);
}

/** One letter as Python escapes it. @param {string} letter */
function escaped(letter) {
  const code = letter.codePointAt(0)?.toString(16) ?? "";
  const [kind, digits] = code.length < 3 ? ["x", 2] : code.length < 5 ? ["u", 4] : ["U", 8];
  return `\\${kind}${code.padStart(Number(digits), "0")}`;
}

/** @param {any} x @returns {string} */
function repr(x) {
  if (typeof x === "string") {
    const quote = x.includes("'") && !x.includes('"') ? '"' : "'";
    const inside = x.replace(/[\\\n\r\t]/g, (one) => ({ "\n": "\\n", "\r": "\\r", "\t": "\\t" })[one] ?? "\\\\");
    return quote + inside.replaceAll(quote, `\\${quote}`).replace(/(?! )[\p{C}\p{Z}]/gu, escaped) + quote;
  }
  if (isNumber(x)) return isFloat(x) ? floatText(x) : String(Number(x));
  if (x instanceof Range) return `range(${x[0] ?? 0}, ${x.length ? x[0] + x.length : 0})`;
  if (x instanceof Tuple) return x.length === 1 ? `(${repr(x[0])},)` : `(${[...x].map(repr).join(", ")})`;
  if (Array.isArray(x)) return `[${x.map(repr).join(", ")}]`;
  if (x instanceof Set_) return `{${x.keys().map(repr).join(", ")}}`;
  if (x instanceof Dict)
    return `{${x
      .items()
      .map(([key, value]) => `${repr(key)}: ${repr(value)}`)
      .join(", ")}}`;
  return x == null || typeof x === "boolean" ? text(x) : String(x);
}

/** Fixed digits, ties to even as Python rounds. @param {number} x @param {number} digits */
function fixed(x, digits) {
  const [whole, exact] = [x.toFixed(digits), Math.abs(x).toFixed(Math.min(100, digits + 60))];
  if (!/^50*$/.test(exact.slice(exact.indexOf(".") + 1 + digits))) return whole;
  const down = exact.slice(0, exact.indexOf(".") + 1 + digits).replace(/\.$/, "");
  return Number(down.at(-1)) % 2 ? whole : (x < 0 ? "-" : "") + down;
}

/** @param {any} value @param {string} spec @returns {string} */
function format(value, spec) {
  if (!spec) return text(value);
  const [, zero, width, comma, digits, kind] =
    /^(0?)(\d*)(,?)(?:\.(\d+))?([gf]?)$/.exec(spec) ?? bad(`the format ${spec}`);
  const x = Number(value);
  let said = text(value);
  if (kind === "f") said = fixed(x, Number(digits));
  if (kind === "g") {
    const [, mantissa, sign, power] = /^(.*)e([+-])(\d+)$/.exec(x.toExponential(5)) ?? ["", "", "", ""];
    const exponent = Number(sign + power);
    const shorter = (/** @type {string} */ one) => (one.includes(".") ? one.replace(/\.?0+$/, "") : one);
    said =
      exponent < -4 || exponent >= 6
        ? `${shorter(mantissa)}e${sign}${power.padStart(2, "0")}`
        : shorter(fixed(x, Math.max(0, 5 - exponent)));
  }
  if (comma) said = said.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return said.padStart(Number(width), zero || " ");
}

/** @param {string} what @returns {never} */
function bad(what) {
  throw new Error(`Without a server there is no ${what}`);
}

/** @param {any} a @param {any} b @returns {boolean} */
function eq(a, b) {
  if (a === b || (a == null && b == null)) return true;
  if (isNumber(a) && isNumber(b)) return Number(a) === Number(b);
  if (typeof a === "boolean" || typeof b === "boolean") return Number(a) === Number(b) && a !== null && b !== null;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => eq(one, b[i]));
  if (a instanceof Dict && b instanceof Dict)
    return a.map.size === b.map.size && a.keys().every((key) => b.has(key) && eq(a.get(key), b.get(key)));
  return false;
}

/** @param {any} x @returns {boolean} */
function truth(x) {
  if (isNumber(x)) return Number(x) !== 0;
  if (Array.isArray(x) || x instanceof Uint8Array) return x.length > 0;
  return x instanceof Dict ? x.map.size > 0 : Boolean(x);
}

/** @param {any} x @returns {Iterable<any>} */
const iter = (x) => (x?.[Symbol.iterator] ? x : bad("iteration over this"));

/** @param {any} a @param {any} b @returns {number} */
function order(a, b) {
  if (!Array.isArray(a)) return a < b ? -1 : Number(a > b);
  return a.map((one, i) => order(one, b[i])).find(Boolean) ?? 0;
}

/** Arguments without the keywords, and these. @param {any[]} given @returns {[any[], Record<string, any>]} */
const split = (given) => (given.at(-1) instanceof Named ? [given.slice(0, -1), given.at(-1).values] : [given, {}]);

/** @param {any} f @param {any[]} given @returns {any} */
const run = (f, ...given) => {
  if (typeof f !== "function") bad("function that is called here");
  return /^class\b/.test(Function.prototype.toString.call(f)) ? new f(...given) : f(...given);
};

/** @param {any} what @param {number} sign */
const extreme = (what, sign) => {
  const [given, { key = (/** @type {any} */ x) => x, default: usual }] = split(what);
  const all = given.length === 1 ? [...iter(given[0])] : given;
  if (!all.length) return usual ?? null;
  return all.reduce((best, one) => (sign * order(key(one), key(best)) > 0 ? one : best));
};

/** @param {string} value @returns {string} for a RegExp */
const pattern = (value) => value.replace(/\[([^\]]*)\\w/g, "[$1\\p{L}\\p{N}_").replace(/\(\?P</g, "(?<");

/** @type {Record<string, any>} */
const builtins = {
  len: (/** @type {any} */ x) => (x instanceof Dict ? x.map.size : typeof x === "string" ? [...x].length : x.length),
  str: (/** @type {any} */ x = "") => text(x),
  repr,
  int: (/** @type {any} */ x) => Math.trunc(Number(x)),
  bool: truth,
  float(/** @type {any} */ x) {
    const found = typeof x === "string" ? x.trim().replaceAll("_", "") : x;
    if (typeof found === "string" && !/^[+-]?(inf(inity)?|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)$/i.test(found))
      throw new ValueError(`not a number`);
    if (!isNumber(found) && typeof found !== "string") throw new ValueError("not a number");
    return new Float(String(found).replace(/inf(inity)?$/i, "Infinity"));
  },
  bytes: (/** @type {number} */ n) => new Uint8Array(n),
  bytearray: (/** @type {any} */ x) => x,
  list: (/** @type {any} */ x = []) => [...iter(x)],
  tuple: (/** @type {any} */ x = []) => tuple([...iter(x)]),
  set: (/** @type {any} */ x = []) => $.set_(x),
  dict(/** @type {any[]} */ ...given) {
    const [[from = []], named] = split(given);
    return new Dict([...(from instanceof Dict ? from.items() : from), ...Object.entries(named)]);
  },
  range(/** @type {number} */ a, /** @type {number | undefined} */ b = undefined) {
    const [low, high] = b === undefined ? [0, a] : [a, b];
    return Object.setPrototypeOf(
      Array.from({ length: Math.max(0, high - low) }, (_, i) => low + i),
      Range.prototype,
    );
  },
  zip(/** @type {any[]} */ ...given) {
    const all = split(given)[0].map((one) => [...iter(one)]);
    return Array.from({ length: Math.min(...all.map((one) => one.length)) }, (_, i) => tuple(all.map((one) => one[i])));
  },
  enumerate: (/** @type {any} */ x, start = 0) => [...iter(x)].map((one, i) => tuple([i + start, one])),
  map: (/** @type {Any} */ f, /** @type {any} */ x) => [...iter(x)].map((one) => run(f, one)),
  filter: (/** @type {Any} */ f, /** @type {any} */ x) => [...iter(x)].filter((one) => truth(f ? f(one) : one)),
  next: (/** @type {any} */ x, usual = null) => [...iter(x)][0] ?? usual,
  any: (/** @type {any} */ x) => [...iter(x)].some(truth),
  all: (/** @type {any} */ x) => [...iter(x)].every(truth),
  sum: (/** @type {any} */ x) => [...iter(x)].reduce((a, b) => a + Number(b), 0),
  max: (/** @type {any[]} */ ...given) => extreme(given, 1),
  min: (/** @type {any[]} */ ...given) => extreme(given, -1),
  sorted(/** @type {any[]} */ ...given) {
    const [[x], { key = (/** @type {any} */ one) => one, reverse = false }] = split(given);
    return [...iter(x)].sort((a, b) => (reverse ? order(key(b), key(a)) : order(key(a), key(b))));
  },
  reversed: (/** @type {any} */ x) => [...iter(x)].reverse(),
  abs: (/** @type {any} */ x) => Math.abs(x),
  round(/** @type {any} */ x, digits = 0) {
    return Number(fixed(Number(x), digits));
  },
  isinstance: (/** @type {any} */ x, /** @type {any} */ kind) => isinstance(x, kind),
  getattr: (/** @type {any} */ x, /** @type {string} */ name, /** @type {any} */ usual = null) => x[name] ?? usual,
  hasattr: (/** @type {any} */ x, /** @type {string} */ name) => x[name] !== undefined,
  callable: (/** @type {any} */ x) => typeof x === "function",
  type: (/** @type {any} */ x) => x.constructor,
  ValueError,
  TypeError: class extends Error {},
  OverflowError: class extends Error {},
  NotImplementedError: class extends Error {},
  KeyError,
  OSError: class extends Error {},
  Exception: Error,
};

builtins.dict.fromkeys = (/** @type {any} */ keys, value = null) =>
  new Dict([...iter(keys)].map((key) => [key, value]));

/** @param {any} x @param {any} kind @returns {boolean} */
function isinstance(x, kind) {
  if (Array.isArray(kind)) return kind.some((one) => isinstance(x, one));
  if (kind == null) return x == null;
  const { str, int, float, bool, list, tuple: tuple_, dict } = builtins;
  if (kind === str) return typeof x === "string";
  if (kind === bool) return typeof x === "boolean";
  if (kind === int) return typeof x === "boolean" || (isNumber(x) && !isFloat(x));
  if (kind === float) return isFloat(x);
  if (kind === list) return Array.isArray(x) && !(x instanceof Tuple);
  if (kind === tuple_) return x instanceof Tuple;
  if (kind === dict) return x instanceof Dict;
  return typeof kind === "function" && x instanceof kind;
}

/** What Python's types have of their own, first for strings. @type {Record<string, Any>} */
const OF_TEXT = {
  strip: (x, letters) => (letters ? OF_TEXT.rstrip(OF_TEXT.lstrip(x, letters), letters) : x.trim()),
  lstrip: (x, letters) =>
    letters === undefined ? x.trimStart() : [...x].slice([...x].findIndex((one) => !letters.includes(one))).join(""),
  rstrip(x, letters = " \n\t\r") {
    let end = x.length;
    while (end && letters.includes(x[end - 1])) end -= 1;
    return x.slice(0, end);
  },
  split: (x, by, most) => {
    if (by === undefined) return x.trim() ? x.trim().split(/\s+/) : [];
    const parts = x.split(by);
    return most === undefined
      ? parts
      : [...parts.slice(0, most), ...(parts.length > most ? [parts.slice(most).join(by)] : [])];
  },
  rsplit: (x, by, most) => {
    const parts = x.split(by);
    return parts.length > most + 1 ? [parts.slice(0, -most).join(by), ...parts.slice(-most)] : parts;
  },
  join: (x, parts) => [...iter(parts)].join(x),
  replace: (x, from, to) => x.replaceAll(from, to),
  format: (x, ...given) => x.replace(/\{\}/g, () => text(given.shift())),
  lower: (x) => x.toLowerCase(),
  upper: (x) => x.toUpperCase(),
  capitalize: (x) => x.slice(0, 1).toUpperCase() + x.slice(1).toLowerCase(),
  title: (x) => x.replace(/\p{L}+/gu, OF_TEXT.capitalize),
  startswith: (x, what) => [what].flat().some((one) => x.startsWith(one)),
  endswith: (x, what) => [what].flat().some((one) => x.endsWith(one)),
  removeprefix: (x, what) => (x.startsWith(what) ? x.slice(what.length) : x),
  removesuffix: (x, what) => (x.endsWith(what) ? x.slice(0, x.length - what.length) : x),
  partition: (x, by) =>
    tuple(x.includes(by) ? [x.slice(0, x.indexOf(by)), by, x.slice(x.indexOf(by) + by.length)] : [x, "", ""]),
  isascii: (x) => /^[\0-\x7f]*$/.test(x),
  isdigit: (x) => /^\d+$/.test(x),
  isalpha: (x) => /^\p{L}+$/u.test(x),
  encode: (x, coding) => ({
    decode: () => (coding === "ascii" ? x.replace(/[^\0-\x7f]/gu, escaped) : x.replace(/\p{Cs}/gu, "")),
  }),
};
/** @type {Record<string, Any>} */
const OF_LIST = {
  append: (x, one) => void x.push(one),
  extend: (x, more) => void x.push(...iter(more)),
  insert: (x, at, one) => void x.splice(at, 0, one),
  index: (x, one) => x.findIndex((/** @type {any} */ other) => eq(one, other)),
  count: (x, one) => x.filter((/** @type {any} */ other) => eq(one, other)).length,
};
/** @type {Record<string, Any>} */
const OF_NUMBER = { is_integer: (x) => Number.isInteger(Number(x)), item: (x) => x };

/** @type {Map<string, Record<string, any>>} */
const modules = new Map();
/** @type {Map<string, () => Record<string, any>>} */
const defined = new Map();

/** A row of a dataclass. @typedef {{ name: string, default: any, metadata: any, default_factory?: Any }} Row */

export const $ = {
  builtins,
  Thing,
  tuple,
  repr,
  format,
  eq,
  truth,
  iter,
  run,
  isinstance,
  float: (/** @type {any} */ x) => new Float(x),
  dict: (/** @type {any} */ pairs) => new Dict(pairs),
  set_: (/** @type {any} */ values) => new Set_([...iter(values)].map((one) => [one, one])),
  bytes: (/** @type {string} */ x) => Bytes.from(atob(x), (one) => one.charCodeAt(0)),
  named: (/** @type {any} */ pairs) => new Named(pairs),
  and: (/** @type {any} */ a, /** @type {() => any} */ b) => (truth(a) ? b() : a),
  or: (/** @type {any} */ a, /** @type {() => any} */ b) => (truth(a) ? a : b()),
  is: (/** @type {any} */ a, /** @type {any} */ b) => a === b || (a == null && b == null),
  mod: (/** @type {any} */ a, /** @type {any} */ b) => ((a % b) + Number(b)) % b,
  has(/** @type {any} */ x, /** @type {any} */ one) {
    if (typeof x === "string") return x.includes(one);
    return x instanceof Dict ? x.has(one) : [...iter(x)].some((other) => eq(one, other));
  },
  add(/** @type {any} */ a, /** @type {any} */ b) {
    if (Array.isArray(a)) return a instanceof Tuple ? tuple([...a, ...b]) : [...a, ...b];
    return typeof a === "string" ? a + b : Number(a) + Number(b);
  },
  mul(/** @type {any} */ a, /** @type {any} */ b) {
    if (typeof a === "string") return a.repeat(Math.max(0, b));
    return Array.isArray(a) ? Array.from({ length: Math.max(0, b) }, () => a).flat() : a * b;
  },
  bitor(/** @type {any} */ a, /** @type {any} */ b) {
    if (a instanceof Set_) return $.set_([...a, ...b]);
    if (a instanceof Dict) return new Dict([...a.items(), ...(b instanceof Dict ? b.items() : Object.entries(b))]);
    return isNumber(a) && isNumber(b) ? Number(a) | Number(b) : [a, b].flat();
  },
  bitand: (/** @type {any} */ a, /** @type {any} */ b) => $.set_([...a].filter((one) => $.has(b, one))),
  item(/** @type {any} */ x, /** @type {any} */ key) {
    if (typeof x === "string") return [...x].at(key);
    if (Array.isArray(x) || ArrayBuffer.isView(x)) return /** @type {any} */ (x).at(Number(key));
    if (x instanceof Dict && !x.has(key)) throw new KeyError(text(key));
    return x.get(key);
  },
  slice(/** @type {any} */ x, /** @type {any} */ from, /** @type {any} */ to, /** @type {any} */ step) {
    const all = typeof x === "string" ? [...x] : x;
    const part = step === -1 ? all.slice().reverse() : all.slice(from ?? 0, to ?? undefined);
    if (step !== null && step !== -1) bad("such a slice");
    return typeof x === "string" ? part.join("") : x instanceof Tuple ? tuple([...part]) : [...part];
  },
  set(/** @type {any} */ x, /** @type {any} */ key, /** @type {any} */ value) {
    if (x instanceof Dict) x.set(key, value);
    else x[key < 0 ? x.length + key : key] = value;
  },
  /** The parts of a value for n names, the one at `star` taking what the others leave. */
  spread(/** @type {any} */ value, /** @type {number} */ n, /** @type {number} */ star) {
    const all = [...iter(value)];
    if (star < 0 && all.length !== n) throw new ValueError(`${all.length} values for ${n} names`);
    return star < 0
      ? all
      : [
          ...all.slice(0, star),
          all.slice(star, all.length - (n - star - 1)),
          ...all.slice(all.length - (n - star - 1)),
        ];
  },
  call(/** @type {any} */ x, /** @type {string} */ name, /** @type {any[]} */ ...given) {
    const own = typeof x === "string" ? OF_TEXT : Array.isArray(x) ? OF_LIST : isNumber(x) ? OF_NUMBER : {};
    if (own[name]) return own[name](x, ...given);
    if (typeof x?.[name] !== "function" && x?.constructor?.[name]) return x.constructor[name](...given); // a classmethod
    if (typeof x?.[name] !== "function") bad(`${name} of ${x?.constructor?.name ?? x}`);
    return /^class\b/.test(Function.prototype.toString.call(x[name])) ? new x[name](...given) : x[name](...given);
  },
  attribute: (/** @type {any} */ x, /** @type {string} */ name) =>
    typeof x[name] === "function" ? x[name].bind(x) : x[name],
  /** The values of a function's parameters. */
  bound(
    /** @type {any[]} */ all,
    /** @type {string[]} */ names,
    /** @type {number} */ positions,
    /** @type {Record<string, () => any>} */ usual,
    /** @type {boolean} */ rest,
    /** @type {boolean} */ more,
  ) {
    const [given, named] = split(all);
    const values = names.map((name, i) => {
      if (i < positions && i < given.length) return given[i];
      if (name in named) return named[name];
      return name in usual ? usual[name]() : undefined;
    });
    if (rest) values.push(tuple(given.slice(positions)));
    if (more) values.push(new Dict(Object.entries(named).filter(([name]) => !names.includes(name))));
    return values;
  },
  /** Make a class a dataclass with these rows, after those of its parent. */
  rows(/** @type {any} */ kind, /** @type {[string, (() => any) | null][]} */ own) {
    const before = Object.getPrototypeOf(kind).$rows ?? [];
    /** @type {Map<string, Row>} */
    const rows = new Map(before.map((/** @type {Row} */ row) => [row.name, row]));
    for (const [name, value] of own) {
      const made = value?.();
      const row =
        made instanceof Declared
          ? { ...made.about, name }
          : { name, default: value ? made : undefined, metadata: new Dict() };
      rows.set(name, row);
      if (row.default !== undefined) Object.defineProperty(kind, name, { value: row.default });
    }
    kind.$rows = [...rows.values()];
    kind.prototype.__init__ = function (/** @type {any[]} */ ...given) {
      const { $rows } = kind;
      const values = $.bound(
        given,
        $rows.map((/** @type {Row} */ { name }) => name),
        $rows.length,
        {},
        false,
        false,
      );
      for (const [i, row] of $rows.entries()) {
        const value = values[i] === undefined ? (row.default_factory?.() ?? row.default) : values[i];
        if (value === undefined) throw new Error(`${kind.name} needs ${row.name}`);
        this[row.name] = value;
      }
      this.__post_init__?.();
    };
    kind.prototype[Symbol.iterator] = function* () {
      for (const { name } of kind.$rows) yield this[name];
    };
  },
  define(/** @type {string} */ name, /** @type {() => Record<string, any>} */ make) {
    modules.delete(name); // what stood in for it
    defined.set(name, make);
  },
  /** @returns {any} */
  module(/** @type {string} */ name) {
    const make = defined.get(name);
    if (!modules.has(name)) {
      modules.set(name, {});
      Object.assign(modules.get(name) ?? {}, make?.());
    }
    return modules.get(name);
  },
  imported(/** @type {string} */ from, /** @type {string} */ name) {
    const whole = `${from}.${name}`;
    return defined.has(whole) || modules.has(whole) ? $.module(whole) : $.module(from)[name];
  },
  /** What stands in for a module that is not translated. @type {(name: string, given: Record<string, any>) => void} */
  native(name, given) {
    Object.assign($.module(name), given);
  },
};

class Declared {
  /** @param {Row} about */
  constructor(about) {
    this.about = about;
  }
}

const fields = (/** @type {any} */ x) => x.$rows ?? x.constructor.$rows;
$.native("dataclasses", {
  field: (/** @type {any[]} */ ...given) =>
    new Declared(/** @type {any} */ ({ metadata: new Dict(), ...split(given)[1] })),
  fields,
  replace(/** @type {any[]} */ ...given) {
    const [[x], named] = split(given);
    const values = fields(x).map((/** @type {Row} */ { name }) => [name, name in named ? named[name] : x[name]]);
    return new x.constructor($.named(values));
  },
  asdict: (/** @type {any} */ x) => new Dict(fields(x).map((/** @type {Row} */ { name }) => [name, x[name]])),
});
$.module("dataclasses").dataclasses = $.module("dataclasses");
$.native("math", {
  ceil: Math.ceil,
  floor: Math.floor,
  sqrt: Math.sqrt,
  nan: new Float(Number.NaN),
  inf: Infinity,
  prod: (/** @type {number[]} */ x) => x.reduce((a, b) => a * b, 1),
});
$.native("json", { dumps: (/** @type {any[]} */ ...given) => jsonText(split(given)[0][0]) });
/** @param {string} value */
const compiled = (value) => ({
  fullmatch: (/** @type {string} */ x) => new RegExp(`^(?:${value})$`).exec(x),
  split: (/** @type {string} */ x) => x.split(new RegExp(value, "u")),
  sub: (/** @type {string} */ by, /** @type {string} */ x) => x.replace(new RegExp(pattern(value), "gu"), by),
});
$.native("re", {
  ASCII: "a",
  compile: compiled,
  fullmatch: (/** @type {string} */ value, /** @type {string} */ x) => compiled(value).fullmatch(x),
  split: (/** @type {string} */ value, /** @type {string} */ x) => compiled(value).split(x),
  sub: (/** @type {string} */ value, /** @type {string} */ by, /** @type {string} */ x) => compiled(value).sub(by, x),
});

/** JSON as Python writes it. @param {any} x @returns {string} */
function jsonText(x) {
  if (x === null || x === undefined) return "null";
  if (isFloat(x)) return floatText(x);
  if (isNumber(x)) return String(Number(x));
  if (Array.isArray(x)) return `[${[...x].map(jsonText).join(", ")}]`;
  if (x instanceof Dict)
    return `{${x
      .items()
      .map(([key, value]) => `${JSON.stringify(String(key))}: ${jsonText(value)}`)
      .join(", ")}}`;
  return JSON.stringify(x);
}

/** Python's data as the page has it. @param {any} x @returns {any} */
export function plain(x) {
  if (x instanceof Number) return Number(x);
  if (Array.isArray(x)) return Array.from(x, plain);
  if (x instanceof Dict) return Object.fromEntries(x.items().map(([key, value]) => [key, plain(value)]));
  return x ?? null;
}

/** The page's data as Python's. @param {any} x @returns {any} */
export function python(x) {
  if (Array.isArray(x)) return x.map(python);
  return x && typeof x === "object" ? new Dict(Object.entries(x).map(([key, value]) => [key, python(value)])) : x;
}
