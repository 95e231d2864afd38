// Play the deck; a slide that is too full is shown smaller.
const slides = document.querySelector(".slides");

function fit() {
  const content = Reveal.getCurrentSlide()?.querySelector(".content");
  if (!content) return;
  // Pictures do not shrink in proportion: try until it fits.
  for (let zoom = 1; zoom > 0.4; zoom *= 0.95) {
    content.style.zoom = zoom;
    if (content.getBoundingClientRect().bottom <= slides.getBoundingClientRect().bottom) break;
  }
}

Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0.04,
  center: false,
  hash: true,
  slideNumber: true,
  transition: "none",
});

// A figure that is moved by mouse or finger gives the keys back to the deck at once; one moved by keys keeps them, but
// for those that leave a slide.
slides.addEventListener("pointerup", ({ target }) => target.closest(".live") && document.activeElement.blur());
document.addEventListener(
  "keydown",
  (event) => {
    if (!["Escape", "PageDown", "PageUp"].includes(event.key) || !document.activeElement.closest(".live")) return;
    event.preventDefault();
    document.activeElement.blur();
  },
  true,
);
slides.addEventListener("keydown", (event) => document.activeElement.closest(".live") && event.stopPropagation());

Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
// Formulas and sliders come later than the slide that they stand on.
new MutationObserver(fit).observe(slides, { childList: true, subtree: true });
