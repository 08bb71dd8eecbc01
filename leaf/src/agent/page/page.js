"use strict";
// Shows what the leaf says of itself, again and again.
(() => {
  const live = document.getElementById("live");
  const link = document.getElementById("link");
  const say = (state, text) => {
    link.dataset.state = state;
    link.textContent = text;
  };
  let heard = Date.now();
  const source = new EventSource(document.body.dataset.events);
  source.addEventListener("status", (event) => {
    const next = new DOMParser().parseFromString(event.data, "text/html").body;
    const scrolled = [...live.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const opened = [...live.querySelectorAll("details")].map((box) => box.open);
    live.replaceChildren(...next.childNodes);
    live.querySelectorAll(".scroll").forEach((box, index) => {
      box.scrollLeft = scrolled[index] ?? 0;
    });
    live.querySelectorAll("details").forEach((box, index) => {
      box.open = opened[index] ?? box.open;
    });
    heard = Date.now();
    say("live", "live");
  });
  source.addEventListener("error", () => {
    // Where events come one by one, each ends like this.
    if (Date.now() - heard > 8000) {
      say("away", "the leaf is not reached: these figures are old");
    }
  });
})();
