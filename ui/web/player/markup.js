// The player's elements.

export const MARKUP = `
<div class="choices">
  <div class="kinds" role="group" aria-label="Picture shown">
    <button type="button" name="kind" value="x" aria-pressed="true">The picture now</button>
    <button type="button" name="kind" value="x0" aria-pressed="false">The network’s guess</button>
  </div>
  <div class="views" role="group" aria-label="Shown of a latent" hidden>
    <button type="button" name="seenAs" value="decoded" aria-pressed="true">decoded</button>
    <button type="button" name="seenAs" value="latent" aria-pressed="false" title="The latent itself: a linear map makes a colour of the numbers at each place">latent</button>
  </div>
  <p class="title"></p>
  <div class="gains" role="group" aria-label="Difference of the lanes, |A − B|" hidden>
    <span>|A − B|</span>
    <button type="button" name="chosenGain" value="0" aria-pressed="true">off</button>
    <button type="button" name="chosenGain" value="1" aria-pressed="false">×1</button>
    <button type="button" name="chosenGain" value="4" aria-pressed="false">×4</button>
  </div>
</div>
<div class="lanes"></div>

<p class="words" hidden></p>

<div class="transport">
  <button type="button" class="button live" aria-pressed="false" disabled><i></i>Live</button>
  <span class="at"></span>
  <select class="speed" aria-label="Playing speed">
    <option value="0.5">0.5×</option><option value="1" selected>1×</option>
    <option value="2">2×</option><option value="4">4×</option>
  </select>
</div>

<div class="told">
  <div class="facts">
    <p class="sentence"></p>
    <p class="balance"><span></span><i></i><span></span></p>
    <p class="caption" hidden></p>
  </div>
  <div class="batch" role="radiogroup" aria-label="Image shown, by seed" hidden></div>
</div>

<details class="chart" hidden>
  <summary><span>Numbers</span>
    <span class="key"></span>
  </summary>
  <div class="readouts"></div>
</details>
`;
