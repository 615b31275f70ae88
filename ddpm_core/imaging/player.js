// The player of runs in a notebook. This script replaces the still picture of each run by a player.
for (const place of document.querySelectorAll(".ddpm-show:not([data-plays])")) {
  place.dataset.plays = "";
  const { titles, width, height, columns, scale } = JSON.parse(place.dataset.about);
  const sprite = new Image();
  const el = (tag, style, set) => Object.assign(document.createElement(tag), { style }, set);
  const drawing = (label) => {
    const side = `width:${width * scale}px;max-width:100%;image-rendering:pixelated;display:block`;
    const canvas = el("canvas", side, { width, height });
    canvas.setAttribute("role", "img");
    const box = el("div", "margin:2px 0");
    box.append(el("small", "", { textContent: label }), canvas);
    return { box, canvas, label };
  };
  const rows = [drawing("the picture after the step, x_s"), drawing("the network's guess in the step, x̂_0")];
  const title = el("output", "font-variant-numeric:tabular-nums");
  const slider = el("input", "flex:1;min-width:8em;max-width:30em", { type: "range", max: titles.length - 1 });
  slider.setAttribute("aria-label", "Step");
  const button = el("button", "min-width:5em;min-height:2em", { type: "button", textContent: "▶ Play" });
  const bar = el("div", "display:flex;flex-wrap:wrap;gap:.7em;align-items:center;margin:4px 0");
  bar.append(button, slider, title);

  const paint = () => {
    const k = Number(slider.value);
    title.textContent = titles[k];
    slider.setAttribute("aria-valuetext", titles[k]);
    rows.forEach(({ canvas, label }, row) => {
      const left = (k % columns) * width;
      const top = (2 * Math.floor(k / columns) + row) * height;
      const brush = canvas.getContext("2d");
      brush.clearRect(0, 0, width, height);
      brush.drawImage(sprite, left, top, width, height, 0, 0, width, height);
      canvas.setAttribute("aria-label", `${label}: ${titles[k]}`);
    });
  };
  let timer = 0;
  const pause = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "▶ Play";
  };
  const play = () => {
    if (Number(slider.value) === titles.length - 1) slider.value = 0;
    button.textContent = "❚❚ Pause";
    // A run takes four seconds. The picture changes at most six times a second, so that noise does not flash.
    timer = setInterval(() => {
      if (!place.isConnected || Number(slider.value) === titles.length - 1) return pause();
      slider.value = Number(slider.value) + Math.max(Math.round(titles.length / 24), 1);
      paint();
    }, 170);
  };
  button.onclick = () => (timer ? pause() : play());
  slider.oninput = () => {
    pause();
    paint();
  };
  slider.value = titles.length - 1;
  sprite.onload = () => {
    place.replaceChildren(...rows.map(({ box }) => box), bar);
    paint();
  };
  sprite.src = place.dataset.sprite;
}
