// Widgets ask MathJax 2 to typeset their labels; the book has MathJax 3.
window.addEventListener("load", () => {
  const mathjax = window.MathJax;
  if (mathjax && mathjax.typesetPromise) {
    mathjax.Hub = { Queue: ([, , element]) => mathjax.typesetPromise([element]) };
  }
});
