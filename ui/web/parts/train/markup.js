// The elements of the part.

export const MARKUP = `
<div class="side">
<div class="bar">
  <button type="button" class="button primary start">Train</button>
  <button type="button" class="button pause" hidden>Pause</button>
  <button type="button" class="button stop" hidden>Stop</button>
  <button type="button" class="button hurry" hidden>Start anyway</button>
  <p class="wrong" role="alert" hidden></p>
  <p class="recorded" hidden></p>
</div>

<form class="choices" autocomplete="off"></form>

<form class="follow" autocomplete="off">
  <label for="train-follow">Follow another training</label>
  <p class="info">The folder that a training on this computer writes to</p>
  <div class="row"><input type="text" id="train-follow" placeholder="runs/mnist-tiny" spellcheck="false"><button type="submit" class="button">Follow</button></div>
</form>
</div>

<div class="stage">
  <div class="row out" hidden>
    <button type="button" class="button use">Use this model</button>
    <button type="button" class="button keep">Keep</button>
  </div>
  <p class="kept" role="status"></p>
  <div class="shown" hidden>
    <figure class="ema"><figcaption><span>Averaged network <span class="word">(saved)</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <figure class="pairs" hidden><figcaption><span>Each one beside your most similar drawing</span></figcaption><img class="samples" alt=""></figure>
    <figure class="raw"><figcaption><span>Latest weights</span></figcaption><img class="samples" alt=""></figure>
    <figure class="then" hidden><figcaption><span><span class="then-title"></span> <span class="word">averaged, an earlier run</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <div class="transport">
      <button type="button" class="button live" aria-pressed="true"><i></i>Live</button>
    </div>
    <p class="sentence"></p>
    <div class="plots"></div>
    <div class="compared" role="group" aria-label="Earlier runs of this visit" hidden><span>Earlier runs, in grey:</span></div>
  </div>
  <p class="welcome">A small U-Net begins with random weights. It sees real digits with noise added, and learns to take the noise away (Algorithm 1 of the paper). Every few seconds it draws the same samples from the same noise (Algorithm 2): noise turns into strokes, and strokes into digits.<span class="here"> Press <b>Train</b> to see this on your machine. You can use the page meanwhile.</span></p>
</div>
`;
