"use strict";
// What a page can do beside being read: values where one points, time that zooms, lives that open, controllers that hide.
// All it knows is in data- attributes of the page (sim/report/html/parts.py); nothing is fetched, nothing is needed.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const make = (name, about = {}, ...inside) => {
    const made = Object.assign(document.createElement(name), about);
    made.append(...inside);
    return made;
  };
  const draw = (name, about) => {
    const made = document.createElementNS(SVG, name);
    Object.entries(about).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  };
  const digits = (value) => String(Math.abs(value) >= 1e4 ? Math.round(value) : Number(value.toPrecision(4)));

  // A picture: its axes, its lines as they were drawn, and the part of its time that is shown.
  const ends = (text) => {
    if (!text) return null;
    const [from, to, low, high] = text.split(" ").map(Number);
    return { from, to, low, high, value: (at) => low + ((at - from) / (to - from)) * (high - low) };
  };
  const pairs = (path) => [...path.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map((pair) => [Number(pair[1]), Number(pair[2])]);
  const pictures = new Map();
  for (const svg of all("figure svg[data-x]")) {
    pictures.set(svg, {
      x: ends(svg.dataset.x),
      y: ends(svg.dataset.y),
      lines: all("[data-label]", svg)
        .map((group) => ({ group, points: pairs(group.querySelector("path")?.getAttribute("d") ?? "") }))
        .filter((line) => line.points.length > 1),
      shown: null,
    });
  }
  const across = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const window_of = (picture) => picture.shown ?? [picture.x.low, picture.x.high];
  const inside = (picture, at) => at.x >= picture.x.from && at.x <= picture.x.to;
  const second = (picture, at) => {
    const [low, high] = window_of(picture);
    return low + ((at.x - picture.x.from) / (picture.x.to - picture.x.from)) * (high - low);
  };

  // Pointing: what is under the pointer, or where all lines of a picture are at that time.
  const box = document.body.appendChild(make("div", { id: "tip", hidden: true }));
  box.setAttribute("role", "status");
  for (const svg of all("figure svg")) {
    const title = svg.querySelector("title"); // or the browser shows it over our own
    if (title?.parentNode === svg) svg.setAttribute("aria-label", title.textContent);
    svg.removeAttribute("aria-labelledby");
    for (const each of all("title", svg)) {
      if (each.parentNode !== svg) each.parentNode.dataset.tip = each.textContent;
      each.remove();
    }
  }
  const named = (label, value, span) => {
    const step = 10 ** Math.floor(Math.log10(span / 1000)); // a picture knows no more
    const [what, unit] = label.replace(/ \(.*\)/, "").split(", ");
    const number = digits(Math.round(value / step) * step);
    return unit ? `${what}: ${number} ${unit}` : `${number} ${what}`;
  };
  const at_time = (svg, event) => {
    const picture = pictures.get(svg);
    const at = picture && across(svg, event);
    if (!picture?.y || !picture.lines.length || !inside(picture, at)) return "";
    const value = second(picture, at);
    const place = picture.x.from + ((value - picture.x.low) / (picture.x.high - picture.x.low)) * (picture.x.to - picture.x.from);
    const said = picture.lines
      .filter((line) => !line.group.classList.contains("off"))
      .map(({ group, points }) => {
        const next = points.findIndex(([x], index) => index && points[index - 1][0] <= place && place <= x && points[index - 1][0] < x);
        if (next < 0) return "";
        const [[x0, y0], [x1, y1]] = [points[next - 1], points[next]];
        return `${group.dataset.label}: ${named(svg.dataset.yLabel, picture.y.value(y0 + ((place - x0) / (x1 - x0)) * (y1 - y0)), picture.y.high - picture.y.low)}`;
      })
      .filter(Boolean);
    const [low, high] = window_of(picture);
    return said.length ? [named(svg.dataset.xLabel, value, high - low), ...said].join("\n") : "";
  };
  const kinds = Object.fromEntries(all("[data-kind]").map((each) => [each.dataset.kind, each.textContent]));
  const span = (svg, path) => {
    const { x, parts } = pictures.get(svg);
    const [start, end] = pairs(parts.find(({ part }) => part === path).path).map(([at]) => x.value(at));
    const what = [kinds[path.getAttribute("class")], path.dataset.tip].filter(Boolean).join(", ");
    return `${what}\n${digits(start)} to ${digits(end)} s (${digits(end - start)} s)`;
  };
  const far = (part, event) => {
    const box = part.getBoundingClientRect();
    return Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
  };
  const under = (event) => // points lie close together: all that are pointed at, the nearest first
    document.elementsFromPoint(event.clientX, event.clientY).filter((part) => part.matches("circle.tip:not(.off)"))
      .sort((one, other) => far(one, event) - far(other, event)).slice(0, 4);
  const point = (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    const svg = target.closest("figure svg");
    const points = under(event);
    const tip = points.length ? points.map((each) => each.dataset.tip).join("\n") : target.closest("[data-tip]:not(.off)")?.dataset.tip;
    const said = target.matches(".lanes [data-controller] path") ? span(svg, target) : (tip ?? (svg ? at_time(svg, event) : ""));
    box.hidden = !said;
    if (!said) return;
    box.textContent = said;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - box.offsetWidth - 4);
    const below = event.clientY + 18 + box.offsetHeight < innerHeight;
    box.style.left = `${Math.max(left, 4)}px`;
    box.style.top = `${below ? event.clientY + 18 : Math.max(event.clientY - box.offsetHeight - 10, 4)}px`;
  };
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("scroll", () => { box.hidden = true; }, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") box.hidden = true; });

  // Zooming: the ends of lines are written again, and so are the ticks.
  const steps = (low, high) => {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(9)));
  };
  const redraw = (svg) => {
    const picture = pictures.get(svg);
    const { from, to, low, high } = picture.x;
    const [left, right] = window_of(picture);
    const move = (x) => from + ((low + ((x - from) / (to - from)) * (high - low) - left) / (right - left)) * (to - from);
    for (const { part, path, x } of picture.parts) {
      if (path) part.setAttribute("d", path.replace(/(-?[\d.]+) (-?[\d.]+)/g, (_, px, py) => `${move(Number(px)).toFixed(2)} ${py}`));
      else part.setAttribute("x", move(x).toFixed(2));
    }
    picture.ticks.forEach((tick) => tick.classList.toggle("gone", Boolean(picture.shown)));
    all(".own-tick", svg).forEach((tick) => tick.remove());
    const example = picture.ticks[0]?.querySelector("text");
    if (!picture.shown || !example) return;
    for (const value of steps(left, right)) {
      const text = example.cloneNode(true);
      text.setAttribute("x", from + ((value - left) / (right - left)) * (to - from));
      text.setAttribute("class", "own-tick");
      text.textContent = String(value);
      example.closest("svg").append(text);
    }
  };
  const groups = new Map();
  for (const svg of all("svg[data-zoom]")) groups.set(svg.dataset.zoom, [...(groups.get(svg.dataset.zoom) ?? []), svg]);
  for (const [, together] of groups) {
    const last = Math.max(...together.map((svg) => pictures.get(svg).x.high));
    const first = Math.min(...together.map((svg) => pictures.get(svg).x.low));
    const outputs = [];
    let shown = [first, last];
    const show = (low, high) => {
      const wide = Math.min(Math.max(high - low, (last - first) / 1e5), last - first);
      const left = Math.min(Math.max(low, first), last - wide);
      shown = [left, left + wide];
      const whole = wide >= (last - first) * 0.9999;
      const unit = together[0].dataset.xLabel.split(", ").pop();
      outputs.forEach((output) => { output.textContent = whole ? "" : `${shown.map(digits).join(" to ")} ${unit}`; });
      for (const svg of together) {
        pictures.get(svg).shown = whole ? null : shown;
        redraw(svg);
      }
    };
    const by = (factor, middle = (shown[0] + shown[1]) / 2) => show(middle - (middle - shown[0]) / factor, middle + (shown[1] - middle) / factor);
    const aside = (share) => show(...shown.map((each) => each + share * (shown[1] - shown[0])));
    for (const svg of together) {
      const picture = pictures.get(svg);
      picture.ticks = all('[id*="-xtick_"], .tick', svg);
      picture.parts = all("path[clip-path], [clip-path] > path, [clip-path] > use", svg)
        .filter((part) => !part.closest('[id*="tick_"]'))
        .map((part) => ({ part, path: part.getAttribute("d"), x: Number(part.getAttribute("x")) }));
      let start = null;
      const [top, bottom] = [0, svg.viewBox.baseVal.height];
      const band = svg.appendChild(draw("rect", { class: "band", y: top, height: bottom, width: 0 }));
      svg.addEventListener("pointerdown", (event) => {
        const at = across(svg, event);
        if (event.button || !inside(picture, at)) return;
        start = at;
        svg.setPointerCapture(event.pointerId);
      });
      svg.addEventListener("pointermove", (event) => {
        if (!start) return;
        const x = Math.min(Math.max(across(svg, event).x, picture.x.from), picture.x.to);
        band.setAttribute("x", Math.min(start.x, x));
        band.setAttribute("width", Math.abs(x - start.x));
      });
      svg.addEventListener("pointerup", (event) => {
        const [a, b] = start ? [second(picture, start), second(picture, across(svg, event))].sort((one, two) => one - two) : [0, 0];
        if (Number(band.getAttribute("width")) > 4) show(a, b);
        start = null;
        band.setAttribute("width", 0);
      });
      svg.addEventListener("pointercancel", () => { start = null; band.setAttribute("width", 0); });
      svg.addEventListener("dblclick", () => show(first, last));
      svg.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        by(event.deltaY < 0 ? 1.25 : 0.8, second(picture, across(svg, event)));
      }, { passive: false });
    }
    for (const figure of new Set(together.map((svg) => svg.closest("figure")))) {
      const buttons = [["+", "zoom in", () => by(2)], ["\u2212", "zoom out", () => by(0.5)], ["\u2190", "earlier", () => aside(-0.5)],
        ["\u2192", "later", () => aside(0.5)], ["all", "the whole time", () => show(first, last)]].map(([text, title, onclick]) => {
        const button = make("button", { type: "button", title, onclick }, text);
        button.setAttribute("aria-label", title);
        return button;
      });
      const output = make("output");
      outputs.push(output);
      figure.querySelector("figcaption").before(make("div", { className: "zoom" }, output, ...buttons));
    }
  }

  // Lives: an object that is pointed out somewhere shows its own.
  const lives = new Map(all("details.life").map((life) => [life.dataset.object, life]));
  all("[data-shows]").forEach((each) => each.classList.toggle("opens", lives.has(each.dataset.shows)));
  document.addEventListener("click", (event) => {
    const life = lives.get(under(event).find((each) => each.matches(".opens"))?.dataset.shows);
    if (!life) return;
    life.open = true;
    life.scrollIntoView({ block: "nearest" });
    life.querySelector("summary").focus();
  });

  // Whose: what belongs to a controller is hidden with it.
  const filter = document.getElementById("filter");
  if (filter) {
    const boxes = all("input", filter);
    const owned = all("[data-controller], [data-label]").map((part) => [part, (part.dataset.controller ?? part.dataset.label).split("|")]);
    const apply = () => {
      const off = new Set(boxes.filter((each) => !each.checked).flatMap((each) => [each.value, ...each.dataset.also.split("|")]));
      owned.forEach(([part, owners]) => part.classList.toggle("off", owners.some((owner) => off.has(owner))));
      const shown = boxes.filter((each) => each.checked).length;
      filter.querySelector("summary").textContent = shown < boxes.length ? `Whose: ${shown} of ${boxes.length}` : "Whose: all";
    };
    filter.hidden = false;
    filter.addEventListener("change", apply);
    filter.querySelector("button").onclick = () => { boxes.forEach((each) => { each.checked = true; }); apply(); };
  }
})();
