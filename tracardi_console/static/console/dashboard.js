/*
 * Draws a dashboard's tiles with Chart.js, which Unfold brings: tooltips, keyboard, marks on the
 * time axis, pictures to keep. What it draws stands in the page as JSON and as a table.
 */
"use strict";

(() => {
  const charts = new Map();
  const root = document.documentElement;

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Resolved by the browser: a canvas knows no variables.
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.className = `tc-ink tc-ink--${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const number = new Intl.NumberFormat("en");
  const short = new Intl.NumberFormat("en", { notation: "compact" });

  const ink = (series, place) => {
    if (series.tone) {
      return colour(series.tone);
    }
    return colour(`s${(place % 6) + 1}`);
  };

  const dataset = (data, series, place) => {
    const line = series.tone === "before";
    const drawn = ink(series, place);
    return {
      type: line ? "line" : "bar",
      label: series.label,
      data: series.values,
      backgroundColor: line ? "transparent" : drawn,
      borderColor: drawn,
      borderWidth: line ? 2 : 0,
      borderDash: line ? [5, 4] : [],
      pointRadius: 0,
      pointHitRadius: 8,
      order: line ? 0 : 1,
      stack: line ? "before" : "all",
      maxBarThickness: 48,
    };
  };

  const said = (data, value) => (value === null ? data.missing : number.format(value));

  const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  const options = (data, says) => {
    const across = data.kind !== "stack";
    const text = colour("text");
    const line = colour("line");
    const font = { family: css("font-family") || "Inter, sans-serif", size: 12 };
    const counts = {
      stacked: true,
      beginAtZero: true,
      grid: { color: line, drawTicks: false },
      border: { display: false },
      ticks: { color: text, font, precision: 0, callback: (value) => short.format(value) },
      title: { display: true, text: data.unit, color: text, font },
    };
    const names = {
      stacked: true,
      grid: { display: false },
      border: { color: line },
      ticks: {
        color: text,
        font,
        autoSkip: !across,
        maxRotation: 0,
        callback: (_, place) => shortened(data.ticks[place] ?? "", across ? 26 : 12),
      },
    };
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      indexAxis: across ? "y" : "x",
      interaction: { mode: "index", axis: across ? "y" : "x", intersect: false },
      layout: { padding: { top: data.marks?.length ? 24 : 4 } },
      scales: across ? { x: counts, y: names } : { x: names, y: counts },
      plugins: {
        legend: {
          display: data.series.length > 1,
          position: "bottom",
          labels: { color: text, font, boxWidth: 12, boxHeight: 12 },
        },
        tooltip: {
          callbacks: {
            title: (items) => data.labels[items[0]?.dataIndex] ?? "",
            label: (item) => `${item.dataset.label}: ${said(data, item.raw)}`,
          },
        },
      },
      onResize: () => requestAnimationFrame(() => place(charts.get(says))),
    };
  };

  // Links over the chart: a canvas holds none.
  const place = (entry) => {
    if (!entry?.chart?.chartArea) {
      return;
    }
    const { chart, data, holder } = entry;
    const { left, right, top, bottom } = chart.chartArea;
    holder.replaceChildren();
    let last = -Infinity;
    let flag = null;
    for (const mark of data.marks ?? []) {
      const x = left + mark.place * (right - left);
      if (flag && x - last < 24) {
        flag.title += `; ${mark.label}`;
        flag.setAttribute("aria-label", `Marks to ${mark.number}: ${flag.title}`);
        flag.textContent = `${flag.dataset.first}–${mark.number}`;
        flag.href = "#markers";
        continue;
      }
      const stem = document.createElement("span");
      stem.className = "tc-plot-stem";
      stem.style.left = `${x}px`;
      stem.style.top = `${top - 4}px`;
      stem.style.height = `${bottom - top + 4}px`;
      flag = document.createElement("a");
      flag.className = "tc-plot-flag";
      flag.href = mark.url;
      flag.title = mark.label;
      flag.dataset.first = mark.number;
      flag.textContent = mark.number;
      flag.setAttribute("aria-label", `Mark ${mark.number}: ${mark.label}`);
      flag.style.left = `${x}px`;
      holder.append(stem, flag);
      last = x;
    }
  };

  const draw = (box) => {
    const key = box.dataset.chart;
    const source = document.getElementById(`data-${key}`);
    const canvas = box.querySelector("canvas");
    if (!source || !canvas) {
      return;
    }
    charts.get(key)?.chart.destroy();
    const data = JSON.parse(source.textContent);
    if (data.kind !== "stack") {
      // A bar is as high in each tile; the axis, and what the colours mean, need room too.
      box.style.height = `${data.labels.length * 26 + (data.series.length > 1 ? 92 : 62)}px`;
    }
    const entry = { data, holder: box.querySelector("[data-marks]"), at: -1, box };
    charts.set(key, entry);
    entry.chart = new Chart(canvas, {
      data: {
        labels: data.labels,
        datasets: data.series.map((series, place) => dataset(data, series, place)),
      },
      options: options(data, key),
    });
    place(entry);
    canvas.onkeydown = (event) => move(event, key);
    canvas.onblur = () => show(key, -1);
    const picture = document.querySelector(`[data-picture="${key}"]`);
    if (picture) {
      picture.hidden = false;
      picture.onclick = () => keep(key);
    }
  };

  const show = (key, at) => {
    const entry = charts.get(key);
    entry.at = at;
    const items = at < 0 ? [] : entry.data.series.map((_, datasetIndex) => ({ datasetIndex, index: at }));
    entry.chart.setActiveElements(items);
    const element = items.length ? entry.chart.getDatasetMeta(0).data[at] : null;
    entry.chart.tooltip.setActiveElements(items, element ? { x: element.x, y: element.y } : { x: 0, y: 0 });
    entry.chart.update("none");
    const says = document.querySelector(`[data-says="${key}"]`);
    if (says) {
      says.textContent = items.length
        ? `${entry.data.labels[at]}: ${entry.data.series
            .map((one) => `${one.label} ${said(entry.data, one.values[at])}`)
            .join(", ")}`
        : "";
    }
  };

  const move = (event, key) => {
    const entry = charts.get(key);
    const end = entry.data.labels.length - 1;
    const to = {
      ArrowRight: Math.min(end, entry.at + 1),
      ArrowDown: Math.min(end, entry.at + 1),
      ArrowLeft: Math.max(0, entry.at - 1),
      ArrowUp: Math.max(0, entry.at - 1),
      Home: 0,
      End: end,
      Escape: -1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      show(key, to);
    }
  };

  // With the page's own ground, and its title: a picture stands alone in somebody's slides.
  const keep = (key) => {
    const { chart, data } = charts.get(key);
    const from = chart.canvas;
    const scale = from.width / from.clientWidth;
    const band = Math.round(36 * scale);
    const made = document.createElement("canvas");
    made.width = from.width;
    made.height = from.height + band;
    const pen = made.getContext("2d");
    pen.fillStyle = colour("ground");
    pen.fillRect(0, 0, made.width, made.height);
    pen.fillStyle = colour("text");
    pen.font = `600 ${Math.round(15 * scale)}px Inter, sans-serif`;
    pen.fillText(data.title, 12 * scale, 24 * scale);
    pen.drawImage(from, 0, band);
    made.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${key}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  };

  const drawAll = () => {
    for (const [key, entry] of charts) {
      if (!entry.box.isConnected) {
        entry.chart.destroy();
        charts.delete(key);
      }
    }
    document.querySelectorAll("[data-chart]").forEach(draw);
  };

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    if (target.id !== "figures") {
      return;
    }
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== location.pathname) {
      // The session has ended: the whole page asks for a sign-in, and comes back.
      event.detail.shouldSwap = false;
      location.reload();
    } else if ([400, 503].includes(xhr.status)) {
      // An answer that says why there are no figures is shown as any other.
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  document.addEventListener("htmx:afterSettle", drawAll);
  const tell = (words) => {
    const figures = document.getElementById("figures");
    const says = figures?.querySelector("[role=status]");
    if (says) {
      figures.removeAttribute("aria-busy");
      figures.querySelectorAll(".tc-skeleton").forEach((one) => one.remove());
      says.textContent = words;
    }
  };
  document.addEventListener("htmx:sendError", () => {
    tell("The console does not answer. Open the page again in a moment.");
  });
  document.addEventListener("htmx:responseError", () => {
    tell("The figures cannot be shown to you now. Open the page again.");
  });
  // Light and dark.
  new MutationObserver(drawAll).observe(root, { attributes: true, attributeFilter: ["class"] });

  const full = document.querySelector("[data-fullscreen]");
  if (full && document.fullscreenEnabled) {
    full.hidden = false;
    full.addEventListener("click", () => document.getElementById("wall").requestFullscreen());
  }
  drawAll();
})();
