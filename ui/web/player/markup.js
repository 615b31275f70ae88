// The HTML of the player.
import { WORDS } from "../words/player.js";

export const MARKUP = `
<div class="lanes"></div>

<p class="words" hidden></p>

<div class="transport">
  <button type="button" class="button live" aria-pressed="false" disabled><i></i>${WORDS.live}</button>
  <span class="at"></span>
  <select class="speed" aria-label="${WORDS.speed}">
    <option value="0.5">0.5×</option><option value="1" selected>1×</option>
    <option value="2">2×</option><option value="4">4×</option>
  </select>
</div>

<div class="told">
  <div class="facts">
    <p class="sentence"></p>
    <div class="balances"></div>
    <p class="caption" hidden></p>
  </div>
  <div class="batch" role="radiogroup" aria-label="${WORDS.batch}" hidden></div>
</div>

<details class="chart" hidden>
  <summary><span>${WORDS.numbers}</span>
    <span class="key"></span>
  </summary>
  <div class="readouts"></div>
</details>
<div class="choices">
  <div class="kinds" role="group" aria-label="${WORDS.kinds}">
    <button type="button" name="kind" value="x" aria-pressed="true">${WORDS.x}</button>
    <button type="button" name="kind" value="x0" aria-pressed="false">${WORDS.x0}</button>
  </div>
  <div class="views" role="group" aria-label="${WORDS.views}" hidden>
    <button type="button" name="seenAs" value="decoded" aria-pressed="true">${WORDS.decoded}</button>
    <button type="button" name="seenAs" value="latent" aria-pressed="false" title="${WORDS.latentAbout}">${WORDS.latent}</button>
  </div>
  <p class="title"></p>
  <div class="gains" role="group" aria-label="${WORDS.gains}" hidden>
    <span>${WORDS.gains}</span>
    <button type="button" name="chosenGain" value="0" aria-pressed="true">${WORDS.off}</button>
    <button type="button" name="chosenGain" value="1" aria-pressed="false">1×</button>
    <button type="button" name="chosenGain" value="4" aria-pressed="false">4×</button>
  </div>
</div>
`;
