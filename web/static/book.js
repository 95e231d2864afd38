// A formula in the text breaks only if it is long: a short one goes to the next line whole.
function keepShortFormulasWhole() {
  for (const formula of document.querySelectorAll("span.math mjx-math")) {
    const width = [...formula.getClientRects()].reduce((sum, piece) => sum + piece.width, 0);
    const line = formula.closest("p, li, dd, td, th, div");
    formula.classList.toggle("whole", width < line.clientWidth / 2);
  }
}
window.addEventListener("load", () => window.MathJax?.startup?.promise.then(keepShortFormulasWhole));

// A phone that is turned has lines of another length.
let screenWidth = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === screenWidth) return;
  screenWidth = window.innerWidth;
  window.MathJax?.startup?.promise.then(() => {
    MathJax.startup.document.rerender(MathJax._.core.MathItem.STATE.METRICS); // measures the lines again
    keepShortFormulasWhole();
  });
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
