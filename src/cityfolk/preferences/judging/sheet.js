"use strict";
(() => {
  const sheet = JSON.parse(document.getElementById("sheet").textContent);
  const key = `cityfolk-sheet-${sheet.sheet}`;
  const at = (id) => document.getElementById(id);
  const make = (name, text, className) => {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  let ratings = {};
  let place = -1; // -1: how it works; items.length: the end
  let keeps = true;
  try {
    const kept = JSON.parse(localStorage.getItem(key) || "{}");
    ratings = kept.ratings || {};
    place = Number.isInteger(kept.place) ? Math.min(Math.max(kept.place, -1), sheet.items.length) : -1;
    localStorage.setItem(key, JSON.stringify({ ratings, place }));
  } catch {
    keeps = false;
  }
  const keep = () => {
    try {
      localStorage.setItem(key, JSON.stringify({ ratings, place }));
    } catch {
      keeps = false;
      at("unkept").hidden = false;
    }
  };

  const complete = (item) => sheet.traits.every((one) => (ratings[item.item] || {})[one.trait]);
  const begun = (item) => sheet.traits.some((one) => (ratings[item.item] || {})[one.trait]);

  const question = (item, one) => {
    const field = make("fieldset");
    field.append(make("legend", one.about));
    const ends = make("div", "", "ends");
    ends.append(make("span", `1: ${one.low}`), make("span", `7: ${one.high}`));
    const levels = make("div", "", "levels");
    const said = make("p", "", "said");
    const given = (ratings[item.item] || {})[one.trait];
    sheet.levels.forEach((words, index) => {
      const label = make("label");
      const input = make("input");
      input.type = "radio";
      input.name = one.trait;
      input.value = String(index + 1);
      input.checked = given === index + 1;
      input.setAttribute("aria-label", `${index + 1}, ${words}`);
      if (input.checked) said.textContent = words;
      input.addEventListener("change", () => {
        ratings[item.item] = { ...ratings[item.item], [one.trait]: index + 1 };
        said.textContent = words;
        keep();
        progress();
      });
      label.append(input, make("span", String(index + 1)));
      levels.append(label);
    });
    field.append(ends, levels, said);
    return field;
  };

  const progress = () => {
    const done = sheet.items.filter(complete).length;
    at("done").textContent = `${done} of ${sheet.items.length} rated`;
    at("filled").style.width = `${(100 * done) / sheet.items.length}%`;
    at("next").textContent = place >= 0 && begun(sheet.items[place] || {}) ? "Next" : "Skip";
  };

  const show = () => {
    const inside = place >= 0 && place < sheet.items.length;
    at("start").hidden = place !== -1;
    at("rating").hidden = !inside;
    at("end").hidden = place !== sheet.items.length;
    at("unkept").hidden = keeps;
    if (inside) {
      const item = sheet.items[place];
      at("number").textContent = `Answer ${place + 1} of ${sheet.items.length}`;
      at("question").textContent = item.question;
      at("answer").textContent = item.answer;
      at("traits").replaceChildren(...sheet.traits.map((one) => question(item, one)));
    } else if (place === sheet.items.length) {
      const open = sheet.items.findIndex((item) => !complete(item));
      at("left").textContent =
        open < 0
          ? "Every answer is rated. Save the ratings and send the file back."
          : `${sheet.items.filter((item) => !complete(item)).length} answers are not fully rated yet.`;
      at("open").hidden = open < 0;
    }
    at("begin").textContent = Object.keys(ratings).length ? "Go on" : "Begin";
    progress();
    keep();
    window.scrollTo(0, 0);
  };
  const go = (to) => {
    place = to;
    show();
  };

  const save = (text, type, ending) => {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = `ratings-${sheet.who}.${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const json = () => JSON.stringify({ format: sheet.format, sheet: sheet.sheet, ratings }, null, 1);
  const csv = () => {
    const names = sheet.traits.map((one) => one.trait);
    const rows = sheet.items.map((item) => [item.item, ...names.map((name) => (ratings[item.item] || {})[name] || "")]);
    return [["item", ...names], ...rows].map((row) => row.join(",") + "\r\n").join("");
  };

  at("begin").addEventListener("click", () => {
    const open = sheet.items.findIndex((item) => !complete(item));
    go(open < 0 ? sheet.items.length : open);
  });
  at("next").addEventListener("click", () => go(place + 1));
  at("back").addEventListener("click", () => go(place - 1));
  at("open").addEventListener("click", () => go(sheet.items.findIndex((item) => !complete(item))));
  at("again").addEventListener("click", () => go(sheet.items.length - 1));
  for (const button of document.querySelectorAll("[data-save=json]"))
    button.addEventListener("click", () => save(json(), "application/json", "json"));
  for (const button of document.querySelectorAll("[data-save=csv]"))
    button.addEventListener("click", () => save(csv(), "text/csv", "csv"));
  show();
})();
