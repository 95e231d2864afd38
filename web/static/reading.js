// Where the reader is sent, and what comes out of a printer.
(() => {
  const SOLUTIONS = new URLSearchParams(location.search).get("solutions");
  document.documentElement.classList.toggle("without-solutions", SOLUTIONS === "no"); // chapters/plateaus.html?solutions=no

  // What is folded opens where a link, or a hit of the search, lies within it.
  function unfold(element) {
    for (
      let fold = element.closest("details, .toggle-hidden");
      fold;
      fold = fold.parentElement.closest("details, .toggle-hidden")
    ) {
      fold.open = true;
      fold.classList.remove("toggle-hidden");
    }
  }
  const linked = () => document.getElementById(decodeURIComponent(location.hash.slice(1)));

  // A hit of the search opens the page at its word: in the section that the link names if it names one, in plain sight if it can.
  // Jupyter Book brings the search to every page, which makes Sphinx believe that each is that of the search, and mark nothing.
  if (!document.getElementById("search-results")) SphinxHighlight.highlightSearchWords();
  window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise; // until then lines move
    const hits = [...(linked() ?? document).querySelectorAll("article .highlighted")];
    const place = hits.find((hit) => hit.checkVisibility()) ?? hits[0] ?? linked();
    if (!place) return;
    unfold(place);
    place.scrollIntoView({
      block: place.matches(".highlighted") ? "center" : "start",
    });
  });
  window.addEventListener("hashchange", () => linked() && unfold(linked()));

  // Paper is white.
  const { dataset } = document.documentElement;
  window.addEventListener("beforeprint", () => {
    dataset.onScreen = dataset.theme;
    dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => (dataset.theme = dataset.onScreen));
})();
