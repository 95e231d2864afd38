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
  keyboardCondition: () => !document.activeElement.closest(".explore"), // its arrows move the figure
});
Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
// Formulas and sliders come later than the slide that they stand on.
new MutationObserver(fit).observe(slides, { childList: true, subtree: true });
