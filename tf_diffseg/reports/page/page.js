"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const { classes, label_classes: labelClasses, metrics, summary, cases } = data;
const byKey = Object.fromEntries(metrics.map((metric) => [metric.key, metric]));
const $ = (id) => document.getElementById(id);

// Builds elements: text is always text, whatever the names of cases hold.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
function draw(tag, attributes = {}, text = null) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  if (text !== null) element.textContent = text;
  return element;
}
const show = (value, digits = 3) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);
const withUnit = (metric) => metric.title + (metric.unit ? `, ${metric.unit}` : "");
const key = (entry) => {
  const square = make("span", { class: "key" });
  square.style.background = entry.colour;
  return square;
};
const mean = (values) => {
  const there = values.filter((value) => value !== null);
  return there.length ? there.reduce((a, b) => a + b, 0) / there.length : null;
};

function fillHeader() {
  $("title").textContent = `${data.dataset}, ${data.split}${summary.folds ? "" : " split"}: ${summary.num_cases} case${summary.num_cases === 1 ? "" : "s"}`;
  const how = summary.inference;
  const facts = [data.modality, `${classes.length} classes`];
  if (how) {
    facts.push(how.checkpoints.map((path) => path.split(/[\\/]/).slice(-3).join("/")).join(" and "));
    const steps = summary.mean_foreground_dice_per_step.length;
    if (steps > 1) facts.push(`${steps} ${how.sampler ? how.sampler.toUpperCase() + " " : ""}steps`);
    facts.push(`${how.num_samples} sample${how.num_samples === 1 ? "" : "s"}`, `seed ${how.seed}`);
    if (how.flip_axes) facts.push(`mirrored along ${how.flip_axes}`);
    const cleaned = ["fill_holes", "largest_component"].filter((name) => how[name]);
    if (how.min_volume_ml) cleaned.push(`at least ${how.min_volume_ml} ml`);
    if (cleaned.length) facts.push(cleaned.join(", ").replaceAll("_", " "));
    if (how.saved_steps !== null) facts.push(`early exit saved ${show(how.saved_steps, 2)} steps`);
  }
  $("about").textContent = facts.join(" · ");
  const overall = (name) => mean(Object.values(summary.classes).map((c) => c.metrics[name].mean));
  const interval = summary.mean_foreground_dice_ci95;
  const tiles = [
    [show(summary.mean_foreground_dice), "mean foreground Dice", interval ? `95% ${show(interval[0])} to ${show(interval[1])}` : ""],
    [`${show(overall("hd95_mm"), 2)} mm`, "HD95", "mean over the classes"],
    [show(overall("surface_dice_1mm")), "surface Dice at 1 mm", "mean over the classes"],
    [show(summary.uncertainty.mean_error_auroc), "error AUROC", "of entropy, voxel by voxel"],
  ];
  for (const [value, name, note] of tiles) {
    $("tiles").append(make("div", { class: "tile" }, make("b", {}, value), make("span", {}, name), make("span", {}, note)));
  }
  $("footer").textContent = `Data: ${data.license || "license not stated"}. Made by tf_diffseg; volumes are shown by NiiVue (BSD 2-Clause). Not for clinical use.`;
}

function fillSummary() {
  const shown = metrics.filter((metric) => !metric.key.endsWith("d_volume_ml") && metric.key !== "true_volume_ml");
  const head = make("tr", {}, make("th", {}, "Class"), make("th", {}, "Cases"), ...shown.map((metric) => make("th", {}, withUnit(metric))));
  // By id: an object lists names that are numbers in another order.
  const rows = classes.map((one) => {
    const name = one.name, found = summary.classes[name];
    const notes = ["absent", "missed", "invented"].filter((what) => found[`num_${what}`]).map((what) => `${found[`num_${what}`]} ${what}`);
    return make("tr", {},
      make("td", {}, key(one), name),
      make("td", {}, String(found.num_counted), notes.length ? make("small", {}, notes.join(", ")) : null),
      ...shown.map((metric) => {
        const value = found.metrics[metric.key];
        const range = value.ci95 ? `${show(value.ci95[0], metric.digits)} to ${show(value.ci95[1], metric.digits)}` : "";
        return make("td", {}, `${show(value.mean, metric.digits)} ± ${show(value.std, metric.digits)}`, make("small", {}, range));
      }));
  });
  $("summary").append(make("thead", {}, head), make("tbody", {}, ...rows));
}

function niceTicks(low, high, count = 5) {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= count) || power * 10;
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}
// Axes of a plot: a function each from values to places.
function plot(box, { width, height, left = 62, right = 16, top = 14, bottom = 44, x, y, xTitle = "", yTitle = "" }) {
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const scale = ([low, high], from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  const toX = scale(x, left, width - right);
  const toY = scale(y, height - bottom, top);
  for (const tick of niceTicks(...y)) {
    svg.append(draw("line", { class: "grid", x1: left, x2: width - right, y1: toY(tick), y2: toY(tick) }));
    svg.append(draw("text", { x: left - 8, y: toY(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, xTitle));
  svg.append(draw("text", { transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yTitle));
  box.replaceChildren(svg);
  return { svg, toX, toY, bottom: height - bottom };
}
function range(values, margin = 0.06) {
  const low = Math.min(...values), high = Math.max(...values);
  const more = (high - low || Math.abs(high) || 1) * margin;
  return [low - more, high + more];
}
function quantile(sorted, share) {
  const place = (sorted.length - 1) * share, below = Math.floor(place);
  return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}
const wide = (box) => Math.max(300, Math.min(1100, Math.round(box.clientWidth || 700)));

function drawDistribution() {
  const box = $("distribution"), metric = byKey[$("metric").value];
  const width = wide(box), perClass = classes.map((_, index) => cases
    .map((entry) => ({ entry, value: entry.values[metric.key][index] }))
    .filter((point) => point.value !== null));
  const all = perClass.flat().map((point) => point.value);
  if (!all.length) { box.replaceChildren(make("p", { class: "muted" }, "No case has a value.")); return; }
  const { svg, toX, toY, bottom } = plot(box, { width, height: 300, x: [0, classes.length], y: range(all), yTitle: withUnit(metric) });
  const half = Math.min(70, (toX(1) - toX(0)) * 0.28);
  perClass.forEach((points, index) => {
    const middle = toX(index + 0.5), colour = classes[index].colour;
    svg.append(draw("text", { class: "name", x: middle, y: bottom + 20, "text-anchor": "middle" }, classes[index].name));
    if (!points.length) return;
    const sorted = points.map((point) => point.value).sort((a, b) => a - b);
    const [low, median, high] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share));
    svg.append(draw("rect", { x: middle - half, width: 2 * half, y: toY(high), height: Math.max(toY(low) - toY(high), 1), fill: colour, "fill-opacity": 0.18, stroke: colour, rx: 3 }));
    svg.append(draw("line", { x1: middle - half, x2: middle + half, y1: toY(median), y2: toY(median), stroke: colour, "stroke-width": 2.5 }));
    points.forEach((point, number) => {
      // Spread sideways, the same way every time.
      const offset = (((number * 0.618034) % 1) - 0.5) * 1.5 * half;
      const dot = draw("circle", { class: "dot", cx: middle + offset, cy: toY(point.value), r: 4, fill: colour, "fill-opacity": 0.85, onclick: () => choose(point.entry, true) });
      dot.append(draw("title", {}, `${point.entry.uid}: ${show(point.value, metric.digits)}`));
      svg.append(dot);
    });
  });
}

function drawSteps() {
  const box = $("steps"), lines = classes.map((one) => ({ ...one, values: summary.classes[one.name].dice_per_step }));
  const all = lines.flatMap((line) => line.values).filter((value) => value !== null);
  if (!all.length) return;
  const steps = lines[0].values.length, width = wide(box);
  if (steps < 2) { box.replaceChildren(make("p", { class: "muted" }, "This model takes one step: it does not sample.")); return; }
  const { svg, toX, toY, bottom } = plot(box, { width, height: 300, right: 24, x: [1, steps], y: range(all, 0.15), xTitle: "reverse step", yTitle: "mean Dice" });
  for (let step = 1; step <= steps; step += Math.ceil(steps / 12)) svg.append(draw("text", { x: toX(step), y: bottom + 18, "text-anchor": "middle" }, String(step)));
  for (const line of lines) {
    const points = line.values.map((value, index) => [index + 1, value]).filter(([, value]) => value !== null);
    svg.append(draw("polyline", { points: points.map(([step, value]) => `${toX(step)},${toY(value)}`).join(" "), fill: "none", stroke: line.colour, "stroke-width": 2.5 }));
    for (const [step, value] of points) {
      const dot = draw("circle", { cx: toX(step), cy: toY(value), r: 4, fill: line.colour });
      dot.append(draw("title", {}, `${line.name}, step ${step}: ${show(value)}`));
      svg.append(dot);
    }
  }
  box.append(make("div", { class: "legend" }, ...lines.map((line) => make("span", {}, key(line), line.name))));
}

function drawUncertainty() {
  const box = $("uncertainty"), found = summary.uncertainty;
  $("correlation").textContent = found.spearman === null
    ? "Too few cases, or cases too alike, for a correlation."
    : `Over the cases, rank correlation of expected and true Dice ${show(found.spearman, 2)} (p = ${found.spearman_p < 0.001 ? "below 0.001" : show(found.spearman_p)}). Inside a case, entropy tells wrong voxels from right ones with an area under the ROC curve of ${show(found.mean_error_auroc)}.`;
  const points = cases.filter((entry) => entry.expected_dice !== null && entry.mean_dice !== null);
  if (!points.length) return;
  const expected = range(points.map((entry) => entry.expected_dice));
  const { svg, toX, toY, bottom } = plot(box, {
    width: wide(box), height: 300, x: expected, y: range(points.map((entry) => entry.mean_dice)),
    xTitle: "Dice that the prediction expects of itself", yTitle: "mean Dice",
  });
  for (const tick of niceTicks(...expected)) svg.append(draw("text", { x: toX(tick), y: bottom + 16, "text-anchor": "middle" }, String(tick)));
  for (const entry of points) {
    const dot = draw("circle", { class: "dot", cx: toX(entry.expected_dice), cy: toY(entry.mean_dice), r: 4.5, fill: "#8b7bd8", "fill-opacity": 0.8, onclick: () => choose(entry, true) });
    dot.append(draw("title", {}, entry.uid));
    svg.append(dot);
  }
}

// The table of cases, and its order.
const average = (name) => (entry) => mean(entry.values[name]);
const columns = [
  { title: "Case", value: (entry) => entry.uid, text: (value) => value },
  ...(summary.folds ? [{ title: "Fold", value: (entry) => entry.fold, text: (value) => value }] : []),
  { title: "Mean Dice", value: (entry) => entry.mean_dice, worst: 1 },
  ...classes.map((entry, index) => ({ title: entry.name, colour: entry.colour, value: (one) => one.values.dice[index], worst: 1 })),
  { title: "HD95, mm", value: average("hd95_mm"), digits: 2, worst: -1 },
  { title: "ASSD, mm", value: average("assd_mm"), digits: 2, worst: -1 },
  { title: "Surface Dice 1 mm", value: average("surface_dice_1mm"), worst: 1 },
  { title: "Expected Dice", value: (entry) => entry.expected_dice, worst: 1 },
  { title: "Error AUROC", value: (entry) => entry.auroc, worst: 1 },
];
let order = { column: columns.findIndex((column) => column.title === "Mean Dice"), direction: 1 };
let sorted = cases.slice();
let chosen = null;

function sortCases() {
  const { value } = columns[order.column];
  sorted = cases.slice().sort((one, other) => {
    const a = value(one), b = value(other);
    if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
    return (a < b ? -1 : a > b ? 1 : 0) * order.direction;
  });
}
function fillCases() {
  sortCases();
  const head = make("tr", {}, ...columns.map((column, index) => {
    const isSorted = order.column === index;
    return make("th", { "aria-sort": isSorted ? (order.direction > 0 ? "ascending" : "descending") : null },
      make("button", { type: "button", onclick: () => {
        // The worst comes first, of names the first.
        order = { column: index, direction: isSorted ? -order.direction : column.worst ?? 1 };
        fillCases();
      } }, column.colour ? key(column) : null, column.title + (isSorted ? (order.direction > 0 ? " ↑" : " ↓") : "")));
  }));
  const rows = sorted.map((entry) => {
    const row = make("tr", { tabindex: 0, onclick: () => choose(entry, true), onkeydown: (event) => { if (event.key === "Enter") choose(entry, true); } },
      ...columns.map((column) => make("td", {}, (column.text ?? ((value) => show(value, column.digits ?? 3)))(column.value(entry)))));
    row.dataset.uid = entry.uid;
    if (entry === chosen) row.classList.add("chosen");
    return row;
  });
  $("cases").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

// One case, with its picture and its volumes.
function choose(entry, scrolls = false) {
  chosen = entry;
  for (const row of $("cases").tBodies[0].rows) row.classList.toggle("chosen", row.dataset.uid === entry.uid);
  const ignored = entry.ignored_voxels ? `, ${entry.ignored_voxels} voxels ignored` : "";
  $("case-title").textContent = `${entry.uid}: mean Dice ${show(entry.mean_dice)}${ignored}`;
  $("picture").src = `data:image/webp;base64,${entry.picture}`;
  const head = make("tr", {}, make("th", {}, "Class"), ...metrics.map((metric) => make("th", {}, withUnit(metric))));
  const rows = classes.map((one, index) => make("tr", {}, make("td", {}, key(one), one.name), ...metrics.map((metric) => {
    const interval = metric.key === "predicted_volume_ml" && entry.interval_ml ? entry.interval_ml[index] : null;
    return make("td", {}, show(entry.values[metric.key][index], metric.digits),
      interval ? make("small", {}, `${show(interval[0], 2)} to ${show(interval[1], 2)}`) : null);
  })));
  $("case-metrics").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  if (scrolls) $("case").scrollIntoView({ behavior: "smooth", block: "start" });
  loadVolumes();
}
function step(by) {
  const index = sorted.indexOf(chosen) + by;
  if (sorted[index]) choose(sorted[index]);
}

const LAYERS = ["truth", "predicted", "entropy"];
let viewer = null;
let loading = Promise.resolve();

function labelColours() {
  const channel = (place) => [0, ...labelClasses.map((entry) => parseInt(entry.colour.slice(place, place + 2), 16))];
  return { R: channel(1), G: channel(3), B: channel(5), A: [0, ...labelClasses.map(() => 255)], I: [0, ...labelClasses.map((_, index) => index + 1)], labels: ["background", ...labelClasses.map((entry) => entry.name)] };
}
async function startViewer() {
  const { Niivue, SHOW_RENDER } = niivue;
  viewer = new Niivue({ backColor: [0, 0, 0, 1], show3Dcrosshair: true, isColorbar: false, dragAndDropEnabled: false, multiplanarShowRender: SHOW_RENDER.ALWAYS, crosshairColor: [1, 1, 1, 0.5], crosshairWidth: 0.3, logLevel: "error" });
  await viewer.attachToCanvas($("canvas"));
}
function loadVolumes() {
  // One after the other: the last case chosen is the one that stays.
  loading = loading.then(showVolumes).catch((error) => {
    $("viewer-note").textContent = `The viewer cannot start here: ${error.message ?? error}. It needs WebGL 2.`;
    document.body.dataset.viewer = "failed";
  });
}
async function showVolumes() {
  const entry = chosen;
  const isThere = entry.volumes !== null;
  $("canvas-box").hidden = !isThere;
  $("viewer-note").textContent = isThere ? "Drag to move the crosshair or turn the volume, scroll to change the slice." : "The volumes of this case are not in this page; --viewer_mb lets it grow.";
  if (!isThere) return;
  document.body.dataset.viewer = "loading";
  if (viewer === null) await startViewer();
  while (viewer.volumes.length) viewer.removeVolume(viewer.volumes[0]);
  const load = (name, more) => niivue.NVImage.loadFromBase64({ base64: entry.volumes[name], name: `${name}.nii.gz`, ...more });
  viewer.addVolume(await load("image", { colormap: "gray", cal_min: 0, cal_max: 255 }));
  for (const name of LAYERS) {
    const volume = await load(name, name === "entropy" ? { colormap: "inferno", cal_min: 12, cal_max: 255 } : {});
    if (name !== "entropy") volume.setColormapLabel(labelColours());
    viewer.addVolume(volume);
  }
  showLayers();
  document.body.dataset.viewer = entry.uid;
}
function showLayers() {
  if (viewer === null || viewer.volumes.length < 1 + LAYERS.length) return;
  LAYERS.forEach((name, index) => viewer.setOpacity(index + 1, $(`show-${name}`).checked ? Number($("opacity").value) : 0));
  const types = { multi: viewer.sliceTypeMultiplanar, axial: viewer.sliceTypeAxial, coronal: viewer.sliceTypeCoronal, sagittal: viewer.sliceTypeSagittal, render: viewer.sliceTypeRender };
  viewer.setSliceType(types[$("view").value]);
}

fillHeader();
fillSummary();
for (const metric of metrics) $("metric").append(make("option", { value: metric.key }, withUnit(metric)));
$("metric").addEventListener("change", drawDistribution);
$("case-legend").append(...labelClasses.map((entry) => make("span", {}, key(entry), entry.name)));
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
for (const name of ["view", "opacity", ...LAYERS.map((layer) => `show-${layer}`)]) $(name).addEventListener("input", showLayers);
const drawPlots = () => { drawDistribution(); drawSteps(); drawUncertainty(); };
drawPlots();
let width = window.innerWidth;
window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; drawPlots(); } });
fillCases();
if (sorted.length) choose(sorted[0]);
})();
