// The HTML of the part "What noise destroys".
import { WORDS } from "./words.js";

export const MARKUP = `
<div class="side">
  <fieldset class="field pictures" data-name="picture">
    <legend>${WORDS.pictures}</legend>
    <p class="info">${WORDS.choose}</p>
    <div class="thumbs" role="group" aria-label="${WORDS.given}"></div>
    <p class="wrong" role="alert" hidden></p>
  </fieldset>
</div>

<div class="stage">
  <div class="equation">
    <figure class="x0"><figcaption><span>x<sub>0</sub> <span class="word">${WORDS.picture}</span></span><span class="at"></span></figcaption><div class="frame"><canvas role="img" aria-label="${WORDS.x0}"></canvas></div></figure>
    <span class="op plus" aria-hidden="true">+</span>
    <figure class="eps"><figcaption><span>ε <span class="word">${WORDS.noise}</span></span><span class="at"></span></figcaption><div class="frame"><canvas role="img" aria-label="${WORDS.epsilon}"></canvas></div></figure>
    <span class="op is" aria-hidden="true">=</span>
    <figure class="xt"><figcaption><span>x<sub>t</sub> <span class="word">${WORDS.noised}</span></span><span class="at">${WORDS.eq4}</span></figcaption><div class="frame"><canvas role="img" aria-label="${WORDS.noised}"></canvas></div></figure>
  </div>
  <div class="facts">
    <p class="readouts"></p>
    <p class="sentence"></p>
  </div>

  <div class="plots" aria-label="${WORDS.schedules}" role="group"></div>

  <div class="pair">
    <section class="posterior">
      <h3>${WORDS.posterior}</h3>
      <p>${WORDS.posteriorAbout}</p>
      <div class="two">
        <figure class="mean"><figcaption><span>μ̃<sub>t</sub> <span class="word">${WORDS.mean}</span></span></figcaption><div class="frame"><canvas role="img" aria-label="${WORDS.mean}"></canvas></div></figure>
        <figure class="change"><figcaption><span>x<sub>t</sub> − μ̃<sub>t</sub></span><span class="at"></span></figcaption><div class="frame"><canvas role="img" aria-label="${WORDS.mean}"></canvas></div></figure>
      </div>
      <p class="weights"></p>
      <dl class="numbers"></dl>
      <p class="remark"></p>
    </section>
    <section class="walk" data-state="none">
      <h3>${WORDS.walk}</h3>
      <p>${WORDS.walkAbout}</p>
      <div class="two">
        <figure class="steps"><figcaption><span><i class="swatch linear"></i><span class="count">${WORDS.steps}</span></span><span class="at">${WORDS.eq2}</span></figcaption><div class="frame"><img alt="" hidden></div></figure>
        <figure class="jump"><figcaption><span><i class="swatch cosine"></i>${WORDS.jump}</span><span class="at">${WORDS.eq4}</span></figcaption><div class="frame"><img alt="" hidden></div></figure>
      </div>
      <div class="row"><button type="button" class="button primary take">${WORDS.take}</button><span class="note" role="status"></span></div>
      <div class="result" hidden>
        <p class="info">${WORDS.added}</p>
        <div class="histogram"></div>
        <div class="table"></div>
        <p class="verdict"></p>
      </div>
    </section>
  </div>
</div>
`;
