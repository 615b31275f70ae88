import assert from "node:assert/strict";
import { test } from "node:test";
import { spoken } from "../words/symbols.js";

test("a symbol is said in words", () => {
  for (const [text, words] of [
    ["DDPM β̃ₜ, 2 steps", "DDPM beta tilde t, 2 steps"],
    ["x̂₀ of x_t and xₜ₋₁", "the guess of x zero of x at time t and x at time t minus 1"],
    ["x̂_0: from x_T.", "the guess of x zero: from x at time T."],
    ["√ᾱₜ·x₀, σ² and L₀", "√alpha bar t·x zero, sigma squared and L zero"],
    ["SNR 4·10⁻⁵, 10⁴", "SNR 4 times 10 to the minus 5, 10 to the 4"],
    ["∇ log q(xₜ)", "gradient of log q(x at time t)"],
  ])
    assert.equal(spoken(text), words);
});

test("a word, a name of a file and a letter that a screen reader knows stay", () => {
  for (const text of ["x_T.npy", "max_t", "ñandú", "n\u0303andu", "exact ε"]) assert.equal(spoken(text), text);
});
