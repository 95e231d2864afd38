// What a reader sees of a page: each function lists in words what is wrong there. tests/test_book.py calls them.

// Everything that clicking would show is shown.
function unfold() {
  for (const folded of document.querySelectorAll("article :is(details, .dropdown)")) {
    folded.open = true;
    folded.classList.remove("toggle-hidden");
  }
}

// When a page that changed its width is at rest: formulas.js breaks lines anew 100 ms after the last change of size that it
// sees, and what it does may be such a change, which it and this observer see within two frames.
function rest() {
  const frames = (number, then) => (number ? requestAnimationFrame(() => frames(number - 1, then)) : then());
  return new Promise((resolve, reject) => {
    let changes = 0;
    setTimeout(() => reject(new Error("the page does not come to rest")), 30_000);
    const sizes = new ResizeObserver(() => {
      const seen = ++changes;
      const ended = () => seen === changes && resolve(sizes.disconnect());
      setTimeout(() => frames(2, ended), 101);
    });
    sizes.observe(document.querySelector("article"));
  });
}

const NEEDS_NO_SCROLLING = "mjx-container, img, svg, figcaption, .output pre";

// The box within which an element shows what is in it, and whether the rest is in reach of a scroll bar.
const windows = new Map();
function windowOf(element) {
  if (!windows.has(element)) {
    const { overflowX, overflowY } = getComputedStyle(element),
      box = element.getBoundingClientRect();
    const left = box.left + element.clientLeft,
      top = box.top + element.clientTop;
    const closed = element === document.documentElement || overflowX !== "visible" || overflowY !== "visible";
    windows.set(
      element,
      closed && {
        left,
        top,
        right: left + element.clientWidth,
        bottom: top + element.clientHeight,
        scrolls: {
          x: /auto|scroll/.test(overflowX),
          y: /auto|scroll/.test(overflowY),
        },
      },
    );
  }
  return windows.get(element);
}

// What is seen of a page: words (those of a preformatted line one by one, for the spaces at its end may hang over the
// edge), glyphs and rules of formulas, pictures; with the box of each.
const MARKS = "img, svg:not(svg svg), canvas, mjx-c, mjx-line"; // a glyph counts by its element: its text is as high as a line
const UNSEEN = "script, style, mjx-assistive-mml, .headerlink, .copybtn, [hidden]";
function* pieces() {
  const all = document.createTreeWalker(
    document.querySelector("article"),
    NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT,
  );
  for (let node = all.nextNode(); node; node = all.nextNode()) {
    const text = node.nodeType === Node.TEXT_NODE,
      element = text ? node.parentElement : node;
    if (element.matches(MARKS) === text || element.closest(UNSEEN)) continue;
    if (
      !element.checkVisibility({
        visibilityProperty: true,
        opacityProperty: true,
      })
    )
      continue;
    for (const box of text ? words(node) : [element.getBoundingClientRect()]) if (box.width) yield [element, box];
  }
}

// One range for all: each one that lives is brought up to date at every change of the page, which made MathJax crawl.
const range = document.createRange();
function* words(text) {
  for (const word of text.data.matchAll(text.parentElement.closest("pre") ? /\S+/g : /\S.*\S|\S/gs)) {
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    yield* range.getClientRects();
  }
}

// What an ancestor or the edge of the screen hides, wholly or in part. Only tables and code may ask for scrolling.
function cut() {
  windows.clear();
  const found = new Set(),
    root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.add("the page scrolls sideways");
  for (const [element, box] of pieces()) {
    const mayScroll = !element.closest(NEEDS_NO_SCROLLING) || element.closest("table");
    for (let around = element.matches(MARKS) ? element.parentElement : element; around; around = around.parentElement) {
      const seen = windowOf(around);
      if (!seen) continue;
      // The box of a line of text is higher than its letters; in a drawing it may stand upright.
      const drawn = element.matches("text, tspan"),
        slack = 0.2 * (drawn ? Math.min(box.width, box.height) : box.height);
      const aside = drawn ? slack : 1;
      const beside = box.left < seen.left - aside || box.right > seen.right + aside;
      const above = around !== root && (box.top < seen.top - slack || box.bottom > seen.bottom + slack);
      if ((beside && !(seen.scrolls.x && mayScroll)) || (above && !(seen.scrolls.y && mayScroll))) {
        found.add(`${beside ? "cut" : "cut in height"}: ${where(element)}`);
      }
      if (beside || above) break;
    }
  }
  return [...found];
}

// A formula that meets its number, has an exponent on another line than its base, or ends away from its comma; one that
// starts a part behind another and has no room for it there.
function misset() {
  const found = [],
    boxes = (element, all) => [...element.querySelectorAll(all)].map((part) => part.getBoundingClientRect());
  for (const formula of document.querySelectorAll("article mjx-container")) {
    if (!formula.checkVisibility()) continue;
    const note = (fault) => found.push(`${fault}: ${where(formula)}`);
    const glyphs = boxes(formula, "mjx-math mjx-c"),
      number = formula.parentElement.querySelector(":scope > .eqno");
    if (number && Math.max(...glyphs.map((glyph) => glyph.right)) > number.getBoundingClientRect().left)
      note("meets its number");
    for (const script of formula.querySelectorAll(":is(mjx-msup, mjx-msub, mjx-msubsup) > mjx-script")) {
      const base = boxes(script.previousElementSibling, "mjx-c").map((glyph) => glyph.left);
      if (script.getBoundingClientRect().left < Math.max(...base) - 1) note("torn off its base");
    }
    const next = formula.parentElement.nextSibling;
    if (next?.nodeType === Node.TEXT_NODE && /^[,.;:)%!?]/.test(next.data)) {
      range.setStart(next, 0);
      range.setEnd(next, 1);
      if (range.getBoundingClientRect().top > glyphs.at(-1).bottom - 2) note("left by its comma");
    }
    for (const line of formula.querySelectorAll("mjx-math > mjx-linestack > mjx-linebox:has(+ mjx-linebox)")) {
      const parts = [...line.children],
        wide = parts.findLastIndex((part) => /\\q?quad/.test(part.dataset.latex));
      const relation = (part) => part.matches("mjx-mo") && /^[=≈→≤≥<>∈]$/.test(part.textContent);
      const [first] = line.nextElementSibling.children;
      if (wide > 0 && !parts.slice(wide).some(relation) && relation(first)) note("broken behind a left-hand side");
    }
  }
  return found;
}

// Of kinds of tokens in code, those that the style gives a look of their own.
function dressed(kinds) {
  const code = document.querySelector("article .highlight pre");
  const token = code.appendChild(document.createElement("span"));
  const look = (element) => ["color", "fontStyle", "fontWeight"].map((part) => getComputedStyle(element)[part]).join();
  const found = kinds.filter((kind) => {
    token.className = kind;
    return look(token) !== look(code);
  });
  token.remove();
  return found;
}

// Markdown that nobody rendered: code, formulas, tables, strong text, fences, TeX, roles, links.
function raw() {
  const markdown = /`|\$|^ *\||\*\*|:::|\\[([a-z]|\{[a-z:]+\}|\]\(/m,
    found = [];
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
  for (let node = all.nextNode(); node; node = all.nextNode()) {
    const element = node.parentElement;
    if (element.closest("pre, code, .math, mjx-container, script, style, dl.py dt, noscript")) continue;
    const shown =
      node.nodeType === Node.TEXT_NODE
        ? [node.data]
        : ["alt", "title", "aria-label"].map((name) => node.getAttribute(name));
    found.push(...shown.filter((text) => markdown.test(text ?? "")));
  }
  return found;
}

const figures = () =>
  [...document.querySelectorAll("article .cell_output :is(img, .live)")].filter((figure) => {
    return figure.checkVisibility() && !figure.parentElement.closest(".live");
  });
const openCode = () => [...document.querySelectorAll("article .cell_input")].filter((code) => code.checkVisibility());

// The first figure begins on the first screen, before any code.
function firstScreen() {
  const [figure] = figures(),
    [code] = openCode();
  return [
    figure.getBoundingClientRect().top + scrollY > innerHeight && "the first figure is off the first screen",
    code &&
      figure.compareDocumentPosition(code) & Node.DOCUMENT_POSITION_PRECEDING &&
      "code comes before the first figure",
  ].filter(Boolean);
}

// How much of the chapter is code that nobody asked to see.
function shareOfCode() {
  const height = openCode().reduce((sum, code) => sum + code.getBoundingClientRect().height, 0);
  return height / document.querySelector("article").getBoundingClientRect().height;
}

// Each figure has a number, a caption, an alternative text, and the text speaks of it.
function unexplained() {
  return figures().flatMap((element) => {
    const figure = element.closest("figure");
    const alt = (figure ?? element.parentElement).querySelector("img")?.alt ?? ""; // of panels the first speaks for all
    return [
      !figure?.querySelector("figcaption .caption-number") && "no number",
      !figure?.querySelector("figcaption .caption-text")?.textContent.trim() && "no caption",
      (alt.length < 20 || /\.(png|svg|jpe?g)$/.test(alt)) && "no alternative text",
      !(figure?.id && document.querySelector(`article a[href="#${figure.id}"]:not(.headerlink)`)) &&
        "the text does not name it",
    ]
      .filter(Boolean)
      .map((fault) => `${fault}: ${where(element)}`);
  });
}

function where(element) {
  const whole = element.closest("mjx-container, tr, pre, p, li, h1, h2, h3, figure") ?? element;
  return `${element.closest("[id]").id}, ${(whole.textContent.trim() || whole.src || whole.outerHTML).slice(0, 60)}`;
}
