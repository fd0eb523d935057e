"use strict";
const frames = JSON.parse(document.getElementById("frames").textContent);

function shapesOf(svg) {
  const shapes = {};
  for (const shape of svg.querySelectorAll("[data-key]")) shapes[shape.dataset.key] = shape;
  return shapes;
}

function retitle(shape, text) {
  const title = shape && shape.querySelector("title");
  if (title) title.textContent = text;
}

function showNodes(own, shapes, frame) {
  own.nodes.forEach((key, number) => {
    const entropy = own.entropies[frame][number];
    let text = `node ${key}\nentropy ${entropy.toFixed(2)}`;
    if (own.operators) {
      const percents = own.percents[frame][number], kept = new Set(own.kept[frame][number]);
      const order = own.operators.map((_, k) => k).sort((a, b) => percents[b] - percents[a] || a - b);
      text += order.map(k => `\n${kept.has(k) ? "* " : "  "}${own.operators[k]} ${percents[k]} %`).join("");
    }
    const filling = shapes[`filling ${key}`];
    if (filling) filling.setAttribute("r", (7.5 * Math.sqrt(Math.max(0, 1 - entropy))).toFixed(1));
    retitle(shapes[key], text);
    retitle(filling, text);
  });
}

function showEdges(own, shapes, frame) {
  const chosen = new Set(own.chosen[frame]);
  own.edges.forEach((key, number) => {
    const line = shapes[key], kept = chosen.has(number);
    line.setAttribute("stroke-width", own.widths[frame][number]);
    line.setAttribute("stroke", kept ? "var(--second)" : "var(--accent)");
    line.setAttribute("opacity", kept ? 1 : 0.45);
    retitle(line, `${key}: ${own.percents[frame][number]} %`);
  });
}

for (const section of document.querySelectorAll("section.lattice")) {
  const own = frames[section.dataset.stage];
  const slider = section.querySelector("input"), number = section.querySelector("output");
  const shapes = shapesOf(section.querySelector("svg"));
  const show = () => {
    number.textContent = own.epochs[slider.value];
    showNodes(own, shapes, slider.value);
    if (own.edges) showEdges(own, shapes, slider.value);
  };
  slider.addEventListener("input", show);
  show();
}
