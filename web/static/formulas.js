// Formulas: block by block, so that a long page does not freeze; and how MathJax breaks them into lines.
(() => {
  const text = document.querySelector("article, .slides");

  // Where a formula is too long it breaks between its parts first, at the last wide space that the line has room for, and
  // only then within a part. MathJax joins two lines again if both fit into one, but forgets the space between parts.
  if (window.MathJax) {
    window.MathJax.startup = {
      ready() {
        MathJax.startup.defaultReady();
        const { linebreaks } = MathJax.startup.output,
          { FACTORS, processBreak } = linebreaks,
          { space } = FACTORS;
        const isWide = (gap) => gap.getBBox().w >= 1;
        FACTORS.space = (penalty, gap) => space(penalty, gap) - (isWide(gap) ? 1e4 * (1 + linebreaks.state.w) : 0);
        linebreaks.processBreak = function () {
          if (this.state.prevBreak?.[3] <= -1) this.state.prevBreak = null;
          processBreak.call(this);
        };
      },
      async pageReady() {
        let shown = performance.now();
        for (const block of text.querySelectorAll(":scope > section > :not(section), :scope > section > section > *")) {
          await MathJax.typesetPromise([block]);
          if (performance.now() - shown < 50) continue;
          await new Promise((resolve) => setTimeout(resolve));
          shown = performance.now();
        }
        await MathJax.typesetPromise(); // what stands elsewhere
      },
    };
  }

  // A formula in the text breaks only if it is long: a short one goes to the next line whole.
  function keepShortFormulasWhole() {
    const isShort = (formula) => {
      const width = [...formula.getClientRects()].reduce((sum, piece) => sum + piece.width, 0);
      return 0 < width && width < formula.closest("p, li, dd, td, th, div").clientWidth / 2;
    };
    const formulas = [...document.querySelectorAll("span.math mjx-math")];
    // Measured as if none were whole, lest what one is depend on what it was, and the page never come to rest.
    for (const formula of formulas) formula.classList.remove("whole");
    for (const formula of formulas.filter(isShort)) formula.classList.add("whole");
  }

  // A phone that is turned, or a sidebar that goes, makes lines of another length; what unfolds has lines for the first time.
  let lineWidth, waiting;
  function breakAgain() {
    if (text.clientWidth !== lineWidth) MathJax.startup.document.rerender(MathJax._.core.MathItem.STATE.METRICS);
    lineWidth = text.clientWidth;
    keepShortFormulasWhole();
  }
  window.addEventListener("load", async () => {
    if (!window.MathJax) return;
    await MathJax.startup.promise;
    lineWidth = text.clientWidth;
    new ResizeObserver(() => {
      clearTimeout(waiting);
      waiting = setTimeout(breakAgain, 100); // when it has come to rest
    }).observe(text);
  });
})();
