// The elements of the part.

export const MARKUP = `
<div class="side">
<div class="bar">
  <button type="button" class="button primary start">Train</button>
  <button type="button" class="button pause" hidden>Pause</button>
  <button type="button" class="button stop" hidden>Stop</button>
  <button type="button" class="button hurry" hidden>Start anyway</button>
  <p class="wrong" role="alert" hidden></p>
</div>

<form class="choices" autocomplete="off"></form>

<form class="follow" autocomplete="off">
  <label for="train-follow">Follow a run of another terminal</label>
  <p class="info">The <code>--out</code> folder of a <code>python -m train fit</code> on this computer</p>
  <div class="row"><input type="text" id="train-follow" placeholder="runs/mnist-tiny" spellcheck="false"><button type="submit" class="button">Follow</button></div>
</form>
</div>

<div class="stage">
  <div class="shown" hidden>
    <figure class="ema"><figcaption><span>Steadied network <span class="word">what is kept</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <figure class="pairs" hidden><figcaption><span>Each beside your nearest drawing</span></figcaption><img class="samples" alt=""></figure>
    <figure class="raw"><figcaption><span>Network this second</span></figcaption><img class="samples" alt=""></figure>
    <figure class="then" hidden><figcaption><span><span class="then-title"></span> <span class="word">moving average, an earlier run</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <div class="transport">
      <button type="button" class="button live" aria-pressed="true"><i></i>Live</button>
    </div>
    <p class="sentence"></p>
    <div class="plots"></div>
    <div class="compared" role="group" aria-label="Earlier runs of this visit" hidden><span>Earlier runs, in grey:</span></div>
    <div class="row out">
      <button type="button" class="button use" disabled>Use this model</button>
      <button type="button" class="button keep" disabled>Keep</button>
      <span class="kept" role="status"></span>
    </div>
  </div>
  <p class="welcome">A small U-Net with random weights is shown real digits with noise added, and learns to take the noise away (Algorithm 1 of the paper). Every few seconds it draws the same samples from the same noise (Algorithm 2): noise turns into strokes, and strokes into digits. Press <b>Train</b> and it happens on this machine; the page stays usable meanwhile.</p>
</div>
`;
