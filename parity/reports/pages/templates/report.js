"use strict";
// Everything can be read without this: it sorts and filters the table and reads values off the plots.
const table = document.querySelector("table.layers");
if (table) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const form = document.querySelector(".tools"), { text, status, sort } = form.elements;
  const product = value => value.split("*").reduce((all, one) => all * Number(one), 1);
  const value = (row, column) => {
    const cell = row.cells[column];
    return heads[column].dataset.sort === "number" ? product(cell.dataset.value) : cell.textContent.trim();
  };
  const order = (column, down) => {
    const sign = down ? -1 : 1;
    const compare = (a, b) => typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a === b ? 0 : a < b ? -1 : 1;
    const keyed = rows.map((row, place) => ({ row, place, key: value(row, column) }));
    keyed.sort((a, b) => sign * compare(a.key, b.key) || a.place - b.place);
    body.append(...keyed.map(one => one.row));
    heads.forEach((head, i) => i === column ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    sort.value = `${column} ${down ? "down" : "up"}`;
  };
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const name = `${row.cells[1].textContent} ${row.cells[2].textContent}`.toLowerCase();
      row.hidden = !words.every(word => name.includes(word)) || (status.value !== "" && row.dataset.status !== status.value);
      shown += !row.hidden;
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length} layers`;
  };
  heads.forEach((head, column) => {
    const name = head.textContent, button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      order(column, now ? now === "ascending" : head.dataset.sort === "number" && column > 0);
    });
    head.replaceChildren(button);
    for (const [way, words] of head.dataset.sort === "number" ? [["down", "greatest first"], ["up", "least first"]] : [["up", "A to Z"], ["down", "Z to A"]]) {
      sort.append(new Option(column ? `${name}, ${words}` : way === "up" ? "order of execution" : "reverse order", `${column} ${way}`));
    }
  });
  sort.addEventListener("change", () => { const [column, way] = sort.value.split(" "); order(Number(column), way === "down"); });
  text.addEventListener("input", filter);
  status.addEventListener("change", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  sort.value = "0 up";
  heads[0].setAttribute("aria-sort", "ascending");
  filter();
  for (const plot of document.querySelectorAll(".plot")) {
    const area = plot.querySelector(".area"), hair = plot.querySelector(".hair"), reader = plot.querySelector(".reader");
    const range = reader.querySelector("input"), output = reader.querySelector("output");
    const shown = plot.id === "plot-forward" ? rows : rows.filter(row => row.querySelector("[data-label=Gradient]")?.textContent);
    const read = () => {
      const row = shown[Number(range.value)], count = Number(range.max) + 1;
      const cell = name => row.querySelector(`[data-label=${name}]`)?.textContent ?? "";
      hair.hidden = false;
      hair.style.left = `${100 * (Number(range.value) + 0.5) / count}%`;
      const forward = plot.id === "plot-forward";
      const numbers = forward ? ["Inherited", "Added", "PyTorch", "Keras"] : ["Gradient"];
      output.textContent = [row.cells[1].textContent, ...numbers.map(name => `${name.toLowerCase()} ${cell(name)}`), row.dataset.status].join(" \u00b7 ");
      range.setAttribute("aria-valuetext", output.textContent);
    };
    area.addEventListener("pointermove", event => {
      const box = area.getBoundingClientRect(), count = Number(range.max) + 1;
      range.value = Math.floor(count * (event.clientX - box.left) / box.width);
      read();
    });
    range.addEventListener("input", read);
    reader.hidden = false;
  }
}
