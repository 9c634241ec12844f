// What a result needs of JavaScript: the heatmap's slider, sorting, filters, printing. All works on results
// that arrive later, too. Without JavaScript everything is shown, in the order of the files.
"use strict";

(() => {
  const prepareOverlay = (figure) => {
    const slider = figure.querySelector("label.slider");
    const over = figure.querySelector("img.over");
    const input = slider.querySelector("input");
    const apply = () => { over.style.opacity = Number(input.value) / 100; };
    slider.hidden = false;
    figure.classList.add("ready");
    input.value = 55;
    input.addEventListener("input", apply);
    apply();
  };

  const sortBy = (table, column, button) => {
    const heading = button.closest("th");
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = heading.dataset.kind === "text";
    const key = (row) => row.cells[column].dataset.sort;
    const order = (a, b) => (text ? key(a).localeCompare(key(b), undefined, { numeric: true }) : key(a) - key(b));
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
  };

  const prepareTable = (table) => {
    for (const heading of table.tHead.querySelectorAll("th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sortBy(table, heading.cellIndex, button));
    }
  };

  const prepareFilter = (box) => {
    box.hidden = false;
    box.addEventListener("change", () => {
      for (const part of document.querySelectorAll("[data-verdict]"))
        if (part.dataset.verdict === box.value) part.hidden = !box.checked;
    });
  };

  const prepare = (root) => {
    root.querySelectorAll("[data-overlay]:not(.ready)").forEach(prepareOverlay);
    root.querySelectorAll("table[data-sortable]:not(.ready)").forEach((table) => {
      table.classList.add("ready");
      prepareTable(table);
    });
    root.querySelectorAll(".filters input:not([data-ready])").forEach((box) => {
      box.dataset.ready = "";
      prepareFilter(box);
    });
  };

  prepare(document);
  document.addEventListener("htmx:afterSettle", () => prepare(document));

  // On paper nothing can be unfolded. The advice is for the screen: printed, every picture would repeat it.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not([open], .advice)")];
    for (const part of unfolded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of unfolded) part.open = false;
  });
})();
