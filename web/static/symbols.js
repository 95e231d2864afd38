// What a symbol means: that under the pointer or at a tap; all those of a displayed equation when it has the focus.
// The page brings its glossary, rows of chapters/notation.md: symbols, and what they mean; both hold formulas.
(() => {
  const glossary = new Map(
    (window.GLOSSARY ?? []).flatMap((row) => {
      return row[0]
        .replaceAll("$", "")
        .split(",")
        .map((name) => [plain(name), row]);
    }),
  );
  const FORMULA = "article mjx-math";

  // A symbol as the glossary has it: without superscript, dot of a time derivative, braces and spaces.
  function plain(tex) {
    return tex.replace(/\^(\{[^{}]*\}|\\[a-z]+|.)|\\dot(?![a-z])|[{}\s]/gi, "");
  }

  // The symbol that a glyph belongs to. One with an index is a symbol of its own where the glossary has it so.
  function symbolOf(glyph) {
    let found = null,
      index = false;
    for (let part = glyph; part && !part.matches("mjx-math"); part = part.parentElement) {
      const name = plain(part.dataset.latex ?? "");
      if (glossary.has(name) && (!index || name.includes("_"))) found = { row: glossary.get(name), part };
      index ||= part.matches("mjx-script");
    }
    return found;
  }

  const card = document.createElement("div");
  card.id = "meaning";
  card.role = "tooltip";
  card.popover = "manual";
  let marked = null,
    soon;

  function hide() {
    clearTimeout(soon);
    marked?.classList.remove("meant");
    if (card.matches(":popover-open")) card.hidePopover();
  }

  async function show(rows, part) {
    hide();
    card.replaceChildren(
      ...rows.map((row) => {
        const line = document.createElement("p");
        line.textContent = row.join(": ").replace(/\$(.+?)\$/g, "\\($1\\)");
        return line;
      }),
    );
    MathJax.typesetClear([card]);
    card.style.top = "-100vh"; // until its size is known
    card.showPopover();
    await MathJax.typesetPromise([card]);
    marked = part;
    marked.classList.toggle("meant", marked !== document.activeElement);
    place();
  }

  function place() {
    if (!card.matches(":popover-open") || !marked) return;
    const at = marked.getBoundingClientRect(),
      size = card.getBoundingClientRect();
    const equation = (marked.closest("div.math") ?? marked).getBoundingClientRect(),
      above = equation.top - size.height - 4;
    card.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - size.width - 8))}px`;
    card.style.top = `${above < 8 ? Math.min(equation.bottom + 4, innerHeight - size.height - 4) : above}px`;
  }

  function point(event) {
    const found = event.target.closest?.(FORMULA) && symbolOf(event.target);
    clearTimeout(soon);
    if (found) {
      if (found.part !== marked || !card.matches(":popover-open")) {
        soon = setTimeout(() => show([found.row], found.part), event.type === "click" ? 0 : 300);
      }
    } else if (!event.target.closest?.("#meaning")) {
      soon = setTimeout(hide, event.type === "click" ? 0 : 300); // time to come to the card
    }
  }

  // The Tab key stops at displayed equations.
  function reachEquations() {
    for (const equation of document.querySelectorAll("article div.math")) {
      equation.tabIndex = 0;
      equation.role = "group";
      equation.ariaLabel = "Equation";
      equation.setAttribute("aria-describedby", "meaning");
      equation.addEventListener("focus", () => {
        if (!equation.matches(":focus-visible")) return;
        const glyphs = [...equation.querySelectorAll("mjx-math mjx-c")];
        const rows = new Set(
          glyphs
            .map(symbolOf)
            .filter(Boolean)
            .map((found) => found.row),
        );
        if (rows.size) show([...rows], equation);
      });
      equation.addEventListener("blur", hide);
    }
  }

  if (glossary.size) {
    window.addEventListener("load", async () => {
      await window.MathJax?.startup?.promise;
      document.body.append(card);
      document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && point(event));
      document.addEventListener("click", point);
      document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
      document.addEventListener("scroll", place);
      reachEquations();
    });
  }
})();
