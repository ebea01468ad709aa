"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name.replace(/ /g, "-")).trim();

// Elements are made, never parsed: a text from a model or a table stays a text.
function make(tag, content, attributes = {}, space = "") {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (content !== undefined && content !== null) element.append(...[].concat(content));
  return element;
}

// Methods that say something of single patients: a click on one of their names leads there.
const HAS_PATIENTS = new Set([...Object.keys(DATA.grades), ...Object.keys(DATA.runs), ...Object.keys(DATA.dice)]);

// The answer: a method a row, its score and interval.
const SVG = "http://www.w3.org/2000/svg";
for (const place of document.querySelectorAll(".forest")) {
  const card = DATA.cards[Number(place.dataset.card)], left = 200, width = 190, step = 26;
  const x = (value) => left + Math.max(0, Math.min(1, value)) * width, height = card.rows.length * step + 30;
  const svg = make("svg", null, { viewBox: `0 0 640 ${height}`, role: "img", "aria-label": card.metric }, SVG);
  const draw = (tag, attributes, text) => svg.append(make(tag, text, attributes, SVG));
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
    const dashed = tick === card.chance ? { stroke: "#333", "stroke-dasharray": "4 3" } : { stroke: "#e6e6e6" };
    draw("line", { x1: x(tick), x2: x(tick), y1: 2, y2: height - 26, ...dashed });
    draw("text", { x: x(tick), y: height - 10, "text-anchor": "middle", fill: "#666" }, String(tick));
  }
  card.rows.forEach((row, index) => {
    const y = 15 + index * step, fill = colour(row.group);
    const link = HAS_PATIENTS.has(row.name) ? { "data-run": row.name } : {};
    draw("text", { x: left - 10, y: y + 4, "text-anchor": "end", ...link }, row.name.length > 28 ? row.name.slice(0, 27) + "…" : row.name);
    if (row.low !== null) draw("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, stroke: fill, "stroke-width": 3 });
    draw("circle", { cx: x(row.value), cy: y, r: 5, fill });
    const interval = row.low === null ? "" : ` [${row.low.toFixed(2)}, ${row.high.toFixed(2)}]`;
    draw("text", { x: left + width + 14, y: y + 4 }, `${row.value.toFixed(2)}${interval}  n = ${row.n}${row.note ? ", " + row.note : ""}`);
  });
  place.append(svg, make("p", `${card.metric}, with ${DATA.confidence} % intervals`, { class: "muted" }));
}

// The browser of patients.
const state = { patient: DATA.patients.length ? 0 : -1, set: null, sequence: "flair", slice: 0 };
const pictures = new Map();
function picture(uri) {
  if (!pictures.has(uri)) pictures.set(uri, new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.src = uri;
  }));
  return pictures.get(uri);
}
const patient = () => DATA.patients[state.patient];
const scan = () => patient().scans[state.set];
const of = (run, id = patient().id) => (DATA.runs[run] ? DATA.runs[run].answers[id] || [] : []);
const at = (run) => of(run).find((answer) => answer.slice === state.slice);
const runs = (kind) => Object.keys(DATA.runs).filter((name) => {
  const run = DATA.runs[name];
  return run.crops === state.set && run.kind === kind && of(name).length;
});
function widest() {
  const area = scan().area;
  return area.indexOf(Math.max(...area));
}
function nearest() {
  const asked = of($("drawn").value).map((answer) => answer.slice);
  if (asked.length) state.slice = asked.reduce((a, b) => (Math.abs(b - state.slice) < Math.abs(a - state.slice) ? b : a));
}
// What there is nothing to choose from is not shown at all.
function options(select, names) {
  const former = select.value;
  select.closest(".offered").hidden = !names.length;
  select.replaceChildren(...names.map((name) => make("option", name, { value: name })));
  if (names.includes(former)) select.value = former;
}
function choices(place, names, chosen, choose) {
  place.replaceChildren(...names.map((name) => {
    const button = make("button", name, { type: "button", class: "choice" + (name === chosen ? " on" : "") });
    button.addEventListener("click", () => choose(name));
    return button;
  }));
}
function verdicts(each) {
  return Object.entries(DATA.grades).filter(([, found]) => found[each.id]).map(([name, found]) => [name, ...found[each.id]]);
}
function matches(each) {
  const wanted = $("filter").value, said = verdicts(each).map(([, label]) => label);
  if (wanted.startsWith("by:")) return ((DATA.grades[wanted.slice(3)] || {})[each.id] || [each.grade])[0] !== each.grade;
  if (wanted === "wrong") return said.some((label) => label !== each.grade);
  if (wanted === "disagree") return new Set(said).size > 1;
  return !wanted || each.grade === wanted;
}
function list() {
  const heads = ["patient", "truth", ...DATA.shown.map((name) => name.split(" ")[0]), DATA.overlap ? "Dice" : ""];
  const rows = DATA.patients.map((each, index) => {
    if (!matches(each)) return null;
    const cells = [make("td", each.id), make("td", each.grade)];
    for (const name of DATA.shown) {
      const found = DATA.grades[name] && DATA.grades[name][each.id];
      const right = found && found[0] === each.grade;
      cells.push(make("td", found ? `${right ? "✓" : "✗"} ${found[0]}` : "–", { class: found ? (right ? "right" : "wrong") : "" }));
    }
    const dice = DATA.overlap && DATA.dice[DATA.overlap] && DATA.dice[DATA.overlap][each.id];
    cells.push(make("td", dice === undefined || dice === null ? "" : dice.toFixed(2)));
    return make("tr", cells, { "data-patient": index, class: index === state.patient ? "on" : "" });
  }).filter(Boolean);
  $("list").replaceChildren(make("tr", heads.map((head) => make("th", head))), ...rows);
}
function refill() {
  const sets = Object.keys(patient().scans);
  if (!sets.includes(state.set)) state.set = sets[0];
  const sequences = Object.keys(scan().sequences);
  if (!sequences.includes(state.sequence)) state.sequence = sequences[0];
  choices($("sequences"), sequences, state.sequence, (name) => { state.sequence = name; refill(); draw(); });
  choices($("sets"), sets, state.set, (name) => { state.set = name; state.slice = widest(); refill(); nearest(); draw(); });
  options($("drawn"), runs("located"));
  options($("labelled"), runs("labelled"));
  options($("mask"), Object.keys(scan().masks));
  list();
}
function outline(context, image, index, style, size) {
  const { width, height } = scan(), columns = DATA.columns, canvas = new OffscreenCanvas(width, height);
  const small = canvas.getContext("2d", { willReadFrequently: true });
  small.drawImage(image, (index % columns) * width, Math.floor(index / columns) * height, width, height, 0, 0, width, height);
  const pixels = small.getImageData(0, 0, width, height).data;
  const on = (row, column) => row >= 0 && column >= 0 && row < height && column < width && pixels[(row * width + column) * 4] > 127;
  context.strokeStyle = style;
  context.lineWidth = 2;
  context.beginPath();
  for (let row = 0; row <= height; row++) for (let column = 0; column <= width; column++) {
    if (on(row, column) !== on(row - 1, column)) { context.moveTo(column * size, row * size); context.lineTo((column + 1) * size, row * size); }
    if (on(row, column) !== on(row, column - 1)) { context.moveTo(column * size, row * size); context.lineTo(column * size, (row + 1) * size); }
  }
  context.stroke();
}
function shape(context, run, points) {
  const unit = 512 / DATA.side, at = points.map(([row, column]) => [(column + 0.5) * unit, (row + 0.5) * unit]);
  context.strokeStyle = colour(run.group);
  context.lineWidth = 3;
  context.beginPath();
  if (at.length === 1) {
    const [[x, y]] = at;
    context.moveTo(x - 9, y - 9); context.lineTo(x + 9, y + 9); context.moveTo(x - 9, y + 9); context.lineTo(x + 9, y - 9);
  } else if (run.box) {
    const xs = at.map(([x]) => x), ys = at.map(([, y]) => y);
    context.rect(Math.min(...xs), Math.min(...ys), Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  } else {
    at.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
  }
  context.stroke();
}
function saying(place, answer, told) {
  if (!answer) {
    place.replaceChildren(make("p", "not asked about this slice", { class: "muted" }));
    return;
  }
  place.replaceChildren(make("div", answer.text || "(empty)", { class: "raw" }), make("p", told(answer), { class: "muted" }));
}
async function draw() {
  const found = scan(), token = (draw.token = (draw.token || 0) + 1), mask = found.masks[$("mask").value];
  const [image, truth, cnn] = await Promise.all([picture(found.sequences[state.sequence]), picture(found.truth), mask ? picture(mask) : null]);
  if (token !== draw.token) return;
  const context = $("slice").getContext("2d"), { width, height } = found, size = 512 / Math.max(width, height);
  context.fillStyle = "#000";
  context.fillRect(0, 0, 512, 512);
  context.drawImage(image, (state.slice % DATA.columns) * width, Math.floor(state.slice / DATA.columns) * height, width, height, 0, 0, width * size, height * size);
  if ($("truth").checked) outline(context, truth, state.slice, colour("truth"), size);
  if (cnn && $("cnn").checked) outline(context, cnn, state.slice, "#19d3a2", size);
  const run = DATA.runs[$("drawn").value], answer = run && at($("drawn").value);
  if (answer && answer.status === "ok" && answer.points) shape(context, run, answer.points);
  context.fillStyle = "#ddd";
  context.font = "15px system-ui";
  for (const [letter, x, y] of [["R", 6, 262], ["L", 496, 262], ["A", 251, 17], ["P", 251, 506]]) context.fillText(letter, x, y);
  const bar = (20 / patient().scans[state.set].spacing) * size;
  context.fillRect(500 - bar, 488, bar, 3);
  context.fillText("2 cm", 500 - bar, 482);
  saying($("drew"), answer, (each) => each.status !== "ok" ? `could not be parsed: ${each.status.replace(/_/g, " ")}`
    : (each.dice === undefined ? "a point" : `Dice with the true mask of this slice: ${each.dice.toFixed(2)}`) + agreed(each));
  const shown = found.area[state.slice] ? "tumour" : "no tumour";
  saying($("labels"), at($("labelled").value), (each) => each.status !== "ok" ? `could not be parsed: ${each.status.replace(/_/g, " ")}`
    : `parsed as ${each.label}; this slice shows ${shown}, the patient is ${patient().grade}` + agreed(each));
  decided();
  strip();
  $("where").textContent = `slice ${state.slice + 1} of ${found.slices}; area of the tumour along the brain (blue: truth`
    + (mask ? ", green: CNN)" : ")")
    + ($("labelled").value ? ", ticks: label of each slice asked about (purple HGG, blue LGG, grey none, black not parsed)" : "");
}
function agreed(each) {
  return each.agreement === undefined ? "" : `; its samples agree by ${each.agreement.toFixed(2)}`;
}
function decided() {
  const lines = verdicts(patient()).map(([name, label, chance]) => make("div",
    `${label === patient().grade ? "✓" : "✗"} ${name}: ${label}${chance === null ? "" : ` (p of HGG ${chance.toFixed(2)})`}`,
    { class: label === patient().grade ? "right" : "wrong" }));
  for (const [name, found] of Object.entries(DATA.dice)) {
    if (found[patient().id] !== undefined) lines.push(make("div", `${name}: Dice ${found[patient().id].toFixed(2)}`));
  }
  $("decided").replaceChildren(...lines);
}
function strip() {
  const context = $("strip").getContext("2d"), found = scan(), wide = 512 / found.slices;
  const areas = found.areas[$("mask").value] || [], most = Math.max(1, ...found.area, ...areas);
  context.clearRect(0, 0, 512, 70);
  context.fillStyle = "#cfe6fb";
  found.area.forEach((area, index) => context.fillRect(index * wide, 44 - (area / most) * 42, wide, (area / most) * 42));
  context.strokeStyle = "#0f8f6c";
  context.lineWidth = 1.5;
  context.beginPath();
  areas.forEach((area, index) => context.lineTo((index + 0.5) * wide, 44 - (area / most) * 42));
  context.stroke();
  const colours = { HGG: colour("hgg"), LGG: colour("lgg"), "no glioma": "#bbb", yes: colour("hgg"), no: "#bbb" };
  for (const answer of of($("labelled").value)) {
    context.fillStyle = answer.status === "ok" ? colours[answer.label] : "#222";
    context.fillRect(answer.slice * wide, 48, Math.max(3, wide - 1), 18);
  }
  context.fillStyle = "#000";
  context.fillRect((state.slice + 0.5) * wide - 1, 0, 2, 70);
}
function go(index) {
  state.slice = Math.max(0, Math.min(scan().slices - 1, index));
  draw();
}
// Patients that lie beside the page come as a script each, which calls `arrived`.
const arrivals = new Map();
window.arrived = ({ id, scans, answers }) => {
  const found = DATA.patients.find((each) => each.id === id);
  found.scans = scans;
  for (const [run, own] of Object.entries(answers)) DATA.runs[run].answers[id] = own;
};
function fetched(index) {
  const { id, scans, file } = DATA.patients[index];
  if (scans) return Promise.resolve(true);
  if (!arrivals.has(id)) arrivals.set(id, new Promise((done) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = () => done(true);
    script.onerror = () => { arrivals.delete(id); done(false); };
    document.head.append(script);
  }));
  return arrivals.get(id);
}
async function choose(index) {
  if (!(await fetched(index))) {
    $("where").textContent = `${DATA.patients[index].file} is not there: the folder patients/ goes with this page`;
    return;
  }
  state.patient = index;
  refill();
  state.slice = widest();
  nearest();
  refill();
  return draw();
}
// A method's patients: those that it grades wrongly, or its drawing in the first of the list.
async function lead(name) {
  const filter = $("filter");
  if (DATA.grades[name]) {
    DATA.shown = [name, ...DATA.shown.filter((other) => other !== name)].slice(0, 2);
    filter.querySelector("[data-method]")?.remove();
    filter.append(make("option", `graded wrongly by ${name}`, { value: `by:${name}`, "data-method": "" }));
    filter.value = `by:${name}`;
    if (!DATA.patients.some(matches)) filter.value = "";
  } else filter.value = "";
  const first = Math.max(0, DATA.patients.findIndex(matches));
  if (!(await fetched(first))) return;
  if (DATA.runs[name]) state.set = DATA.runs[name].crops;
  state.patient = first;
  refill();
  for (const id of ["drawn", "labelled", "mask"]) if ([...$(id).options].some((each) => each.value === name)) $(id).value = name;
  state.slice = widest();
  nearest();
  list();
  $("patients").scrollIntoView();
  return draw();
}
if (state.patient >= 0) {
  for (const each of document.querySelectorAll("[data-run]")) {
    if (!HAS_PATIENTS.has(each.dataset.run)) continue;
    each.classList.add("leads");
    each.setAttribute("tabindex", "0");
    if (each instanceof SVGElement) each.append(make("title", "show its patients", {}, SVG));
    else each.title = "show its patients";
    each.addEventListener("click", () => lead(each.dataset.run));
    each.addEventListener("keydown", (event) => { if (event.key === "Enter") lead(each.dataset.run); });
  }
  $("list").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-patient]");
    if (row) choose(Number(row.dataset.patient));
  });
  $("filter").addEventListener("change", list);
  for (const id of ["truth", "cnn", "mask", "drawn", "labelled"]) $(id).addEventListener("change", draw);
  $("slice").addEventListener("wheel", (event) => { event.preventDefault(); go(state.slice + Math.sign(event.deltaY)); }, { passive: false });
  document.addEventListener("keydown", (event) => {
    if (/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (event.key === "ArrowRight" || event.key === "ArrowUp") { event.preventDefault(); go(state.slice + 1); }
    if (event.key === "ArrowLeft" || event.key === "ArrowDown") { event.preventDefault(); go(state.slice - 1); }
  });
  $("strip").addEventListener("click", (event) => go(Math.floor((event.offsetX / $("strip").clientWidth) * scan().slices)));
  choose(0).then(() => { document.documentElement.dataset.ready = "yes"; });
}
