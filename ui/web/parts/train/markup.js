// The elements of the part.
import { WORDS } from "../../words/train.js";

export const MARKUP = `
<div class="side">
<div class="bar">
  <button type="button" class="button primary start">${WORDS.start}</button>
  <button type="button" class="button pause" hidden>${WORDS.pause}</button>
  <button type="button" class="button stop" hidden>${WORDS.stop}</button>
  <button type="button" class="button hurry" hidden>${WORDS.hurry}</button>
  <p class="wrong" role="alert" hidden></p>
  <p class="recorded" hidden></p>
</div>

<form class="choices" autocomplete="off"></form>

<form class="follow" autocomplete="off">
  <label for="train-follow">${WORDS.following}</label>
  <p class="info">${WORDS.folder}</p>
  <div class="row"><input type="text" id="train-follow" placeholder="${WORDS.example}" spellcheck="false"><button type="submit" class="button">${WORDS.follow}</button></div>
</form>
</div>

<div class="stage">
  <div class="row out" hidden>
    <button type="button" class="button use">${WORDS.use}</button>
    <button type="button" class="button keep">${WORDS.keep}</button>
  </div>
  <p class="kept" role="status"></p>
  <div class="shown" hidden>
    <figure class="ema"><figcaption><span>${WORDS.averaged} <span class="word">${WORDS.saved}</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <figure class="pairs" hidden><figcaption><span>${WORDS.pairs}</span></figcaption><img class="samples" alt=""></figure>
    <figure class="raw"><figcaption><span>${WORDS.latest}</span></figcaption><img class="samples" alt=""></figure>
    <figure class="then" hidden><figcaption><span><span class="then-title"></span> <span class="word">${WORDS.earlier}</span></span><span class="at"></span></figcaption><img class="samples" alt=""></figure>
    <div class="transport">
      <button type="button" class="button live" aria-pressed="true"><i></i>${WORDS.live}</button>
    </div>
    <p class="sentence"></p>
    <div class="plots"></div>
    <div class="compared" role="group" aria-label="${WORDS.compared}" hidden><span>${WORDS.grey}</span></div>
  </div>
  <p class="welcome">${WORDS.welcome}<span class="here">${WORDS.here}</span></p>
</div>
`;
