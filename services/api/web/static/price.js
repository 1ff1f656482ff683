// Draws the price of a symbol with the fills of the master and of one user, whenever the server says that they have changed.
import { createChart, createSeriesMarkers, LineSeries } from "/static/vendor/lightweight-charts.mjs";

const SILENCE_MS = 30000; // the server says every ten seconds that it is there
const DRAWS = 300; // of one chart: each leaves something behind in it, so that a page which is open for days would grow
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

function build() {
  const made = createChart(place, {
    autoSize: true,
    layout: { background: { color: "transparent" }, textColor: colour("--ink"), attributionLogo: false },
    grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
    timeScale: { timeVisible: true, secondsVisible: true },
  });
  const line = made.addSeries(LineSeries, { color: colour("--soft"), lineWidth: 2 });
  return { made, line, marks: createSeriesMarkers(line, []), draws: 0, fitted: false };
}

let chart = build();
let source;
let heard = 0;

function draw(found) {
  let range = null;
  if (chart.draws >= DRAWS) {
    range = chart.made.timeScale().getVisibleRange();
    chart.made.remove();
    chart = build();
  }
  chart.line.setData(points(found));
  chart.marks.setMarkers(markers(found));
  chart.draws += 1;
  if (!chart.fitted && found.prices.length + found.fills.length) {
    chart.made.timeScale().fitContent();
    if (range) {
      chart.made.timeScale().setVisibleRange(range);
    }
    chart.fitted = true;
  }
}

function close() {
  source?.close();
  source = undefined;
}

function open() {
  close();
  heard = Date.now();
  source = new EventSource(place.dataset.events);
  source.addEventListener("series", (event) => { heard = Date.now(); draw(JSON.parse(event.data)); });
  source.addEventListener("here", () => { heard = Date.now(); });
  source.addEventListener("outage", () => { heard = Date.now(); });
}

// A page that is not looked at draws nothing; a connection that was cut without a word never ends by itself.
function keepOpen() {
  if (document.hidden) {
    close();
  } else if (!source || source.readyState === EventSource.CLOSED || Date.now() - heard > SILENCE_MS) {
    open();
  }
}

open();
setInterval(keepOpen, SILENCE_MS / 6);
document.addEventListener("visibilitychange", keepOpen);
addEventListener("pagehide", close);
