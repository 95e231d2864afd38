// Widgets ask MathJax 2 to typeset their labels; the book has MathJax 4.
window.addEventListener("load", () => {
  const mathjax = window.MathJax;
  if (mathjax && mathjax.typesetPromise) {
    mathjax.Hub = { Queue: ([, , element]) => mathjax.typesetPromise([element]) };
  }
});

// Sliders come without a name for screen readers: give each handle the text of the label beside it.
new MutationObserver(() => {
  for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const slider = handle.closest(".widget-slider");
    const label = slider && slider.querySelector(".widget-label");
    if (label && label.textContent) handle.setAttribute("aria-label", label.textContent);
  }
  // Nor do the buttons of a player.
  for (const [icon, name] of [["play", "Play or pause"], ["stop", "Back to the start"]]) {
    for (const found of document.querySelectorAll(`.widget-play button:not([aria-label]) .fa-${icon}`)) {
      const button = found.closest("button");
      button.setAttribute("aria-label", name);
      button.title = name;
    }
  }
}).observe(document.documentElement, { childList: true, subtree: true });

// A printed table keeps its columns: its letters are as small as its longest row needs (see book.css).
window.addEventListener("load", () => {
  for (const printed of document.querySelectorAll(".cell_output pre")) {
    const rows = printed.textContent.split("\n").filter(line => /\S {2,}\S/.test(line));
    if (rows.length > 1) printed.style.setProperty("--columns", Math.max(...rows.map(row => row.trimEnd().length)));
  }
});

// What scrolls sideways on a phone must be in reach of the keyboard.
function reachWideOutputs() {
  for (const output of document.querySelectorAll(".cell_output")) {
    if (output.scrollWidth > output.clientWidth) output.tabIndex = 0;
    else output.removeAttribute("tabindex");
  }
}
window.addEventListener("load", reachWideOutputs);
window.addEventListener("resize", reachWideOutputs);

// On the web, the library installs from where the page lies.
window.addEventListener("load", () => {
  for (const aside of document.querySelectorAll(".run-elsewhere")) {
    const { href } = aside.querySelector(".wheel");
    if (href.startsWith("http")) aside.querySelector(".wheel-address").textContent = href;
  }
});
