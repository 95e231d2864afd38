// Play the deck; a slide that is too full is shown smaller.
const room = { width: 1280, height: 720 };

function fit() {
  const content = Reveal.getCurrentSlide()?.querySelector(".content");
  if (!content) return;
  content.style.zoom = 1;
  const free = room.height - content.offsetTop - 10;
  if (content.scrollHeight > free) content.style.zoom = Math.max(0.5, free / content.scrollHeight);
}

Reveal.initialize({
  ...room,
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
new MutationObserver(fit).observe(document.querySelector(".slides"), { childList: true, subtree: true });
