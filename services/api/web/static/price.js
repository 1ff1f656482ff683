// Draws the price of a symbol with the fills of the master and of one user, and looks for new ones now and then.
import { createChart, createSeriesMarkers, LineSeries } from "/static/vendor/lightweight-charts.mjs";

const EVERY_MS = 5000;
const FEW = 6; // fills whose texts do not cover one another
const place = document.getElementById("price");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function points(found) {
  const all = [...found.prices, ...found.fills.filter((fill) => fill.who === "master")];
  const bySecond = new Map(all.map((each) => [Math.floor(each.at / 1000), Number(each.price)]));
  return [...bySecond].sort(([a], [b]) => a - b).map(([time, value]) => ({ time, value }));
}

function markers(found) {
  const few = found.fills.length <= FEW;
  return found.fills.map((fill) => ({
    time: Math.floor(fill.at / 1000),
    position: fill.side === "buy" ? "belowBar" : "aboveBar",
    shape: fill.side === "buy" ? "arrowUp" : "arrowDown",
    color: colour(fill.who === "master" ? "--act" : "--user"),
    text: few ? `${fill.who} ${fill.side} ${fill.size}` : "",
  }));
}

async function read() {
  const answer = await fetch(place.dataset.series);
  return answer.ok ? answer.text() : '{"prices": [], "fills": []}';
}

const chart = createChart(place, {
  autoSize: true,
  layout: { background: { color: "transparent" }, textColor: colour("--ink"), attributionLogo: false },
  grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
  timeScale: { timeVisible: true, secondsVisible: true },
});
const line = chart.addSeries(LineSeries, { color: colour("--soft"), lineWidth: 2 });
const marks = createSeriesMarkers(line, []);
let fitted = false;
let shown = "";

async function refresh() {
  const text = await read();
  if (text === shown) {
    return; // to draw the same again costs time and memory
  }
  shown = text;
  const found = JSON.parse(text);
  line.setData(points(found));
  marks.setMarkers(markers(found));
  if (!fitted && found.prices.length + found.fills.length) {
    chart.timeScale().fitContent();
    fitted = true;
  }
}

await refresh();
setInterval(() => { if (!document.hidden) { refresh().catch(() => {}); } }, EVERY_MS);
