// A printed table keeps its columns: its letters are as small as its longest row needs (see book.css).
window.addEventListener("load", () => {
  for (const printed of document.querySelectorAll(".cell_output pre")) {
    const rows = printed.textContent.split("\n").filter((line) => /\S {2,}\S/.test(line));
    if (rows.length > 1) printed.style.setProperty("--columns", Math.max(...rows.map((row) => row.trimEnd().length)));
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
