// Draws the equity of an account by uPlot. The numbers are for the eye: what counts is the text of the page.

const place = document.getElementById("equity");
const empty = document.getElementById("equity-text");
const COLOURS = ["--act", "--good", "--mild"];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function merge(curves) {
  const times = [...new Set(curves.flatMap((curve) => curve.at))].sort((a, b) => a - b);
  const lines = curves.map((curve) => {
    const known = new Map(curve.at.map((at, n) => [at, curve.equity[n] === null ? null : Number(curve.equity[n])]));
    return times.map((at) => known.get(at) ?? null);
  });
  return [times, ...lines];
}

function axis() {
  return { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 0.5 }, ticks: { stroke: colour("--line") } };
}

function stamp(at) {
  return new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ");
}

// The day stands where it begins, else the time, in UTC and by 24 hours.
function ticks(times) {
  let day = "";
  return times.map((at) => {
    const [date, time] = stamp(at).split(" ");
    const text = date === day ? time : `${time}\n${date}`;
    day = date;
    return times.length > 1 && times[1] - times[0] >= 86400 ? date : text;
  });
}

function draw(curves) {
  const size = () => ({ width: Math.max(place.clientWidth, 200), height: 220 });
  const series = curves.map((curve, n) => ({
    label: `${curve.venue}, ${curve.currency}`,
    stroke: colour(COLOURS[n % COLOURS.length]),
    width: 2,
    spanGaps: true,
    points: { show: curve.at.length < 40 },
  }));
  const zero = { value: (chart, at) => (at === null ? "–" : stamp(at)) };
  const options = { ...size(), axes: [{ ...axis(), values: (chart, times) => ticks(times) }, { ...axis(), size: 70 }], series: [zero, ...series], tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC") };
  const chart = new uPlot(options, merge(curves), place);
  new ResizeObserver(() => chart.setSize(size())).observe(place);
}

if (place) {
  const answer = await fetch(place.dataset.series);
  const curves = answer.ok ? await answer.json() : [];
  if (curves.length) {
    draw(curves);
  } else {
    place.hidden = true;
    empty.hidden = false;
  }
}
