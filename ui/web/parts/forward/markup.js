// The elements of the part.

export const MARKUP = `
<div class="side">
  <fieldset class="field pictures" data-name="picture">
    <legend>Picture</legend>
    <p class="info">x<sub>0</sub>: one of these, or your own</p>
    <div class="thumbs" role="group" aria-label="Pictures that come with the page"></div>
    <label class="button upload"><input type="file" accept="image/*" aria-label="Choose a picture">Choose a picture</label>
    <p class="wrong" role="alert" hidden></p>
  </fieldset>
</div>

<div class="stage">
  <div class="equation">
    <figure class="x0"><figcaption><span>x<sub>0</sub> <span class="word">picture</span></span><span class="at"></span></figcaption><div class="frame"><canvas role="img" aria-label="The picture, x_0"></canvas></div></figure>
    <span class="op plus" aria-hidden="true">+</span>
    <figure class="eps"><figcaption><span>ε <span class="word">noise</span></span><span class="at"></span></figcaption><div class="frame"><canvas role="img" aria-label="The noise, epsilon"></canvas></div></figure>
    <span class="op is" aria-hidden="true">=</span>
    <figure class="xt"><figcaption><span>x<sub>t</sub> <span class="word">noised</span></span><span class="at">Eq. 4</span></figcaption><div class="frame"><canvas role="img"></canvas></div></figure>
  </div>
  <div class="facts">
    <p class="readouts"></p>
    <p class="sentence"></p>
  </div>

  <div class="plots" aria-label="The three schedules over t, with a marker at the chosen t" role="group"></div>

  <div class="pair">
    <section class="posterior">
      <h3>One step back: q(x<sub>t−1</sub> | x<sub>t</sub>, x<sub>0</sub>)</h3>
      <p>If x<sub>0</sub> is known, the step before x<sub>t</sub> is a Gaussian with this mean and deviation (Eqs. 6, 7). The network never sees x<sub>0</sub>: it learns to aim for this mean.</p>
      <div class="two">
        <figure class="mean"><figcaption><span>μ̃<sub>t</sub> <span class="word">mean</span></span></figcaption><div class="frame"><canvas role="img"></canvas></div></figure>
        <figure class="change"><figcaption><span>x<sub>t</sub> − μ̃<sub>t</sub></span><span class="at"></span></figcaption><div class="frame"><canvas role="img"></canvas></div></figure>
      </div>
      <p class="weights"></p>
      <dl class="numbers"></dl>
      <p class="remark"></p>
    </section>
    <section class="walk" data-state="none">
      <h3>t small steps, or one jump?</h3>
      <p>Eq. 2 adds a little noise t times; Eq. 4 adds it all at once. Both give x<sub>t</sub> the same distribution, so training can jump to any t.</p>
      <div class="two">
        <figure class="steps"><figcaption><span><i class="swatch linear"></i><span class="count">t steps</span></span><span class="at">Eq. 2</span></figcaption><div class="frame"><img alt="" hidden></div></figure>
        <figure class="jump"><figcaption><span><i class="swatch cosine"></i>one jump</span><span class="at">Eq. 4</span></figcaption><div class="frame"><img alt="" hidden></div></figure>
      </div>
      <div class="row"><button type="button" class="button primary take">Take the steps</button><span class="note" role="status"></span></div>
      <div class="result" hidden>
        <p class="info">What was added, (x<sub>t</sub> − √ᾱ<sub>t</sub> x<sub>0</sub>) / √(1 − ᾱ<sub>t</sub>), over all pixels; the thin line is N(0, 1)</p>
        <div class="histogram"></div>
        <div class="table"></div>
        <p class="verdict"></p>
      </div>
    </section>
  </div>
</div>
`;
