(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector, root) => (root || document).querySelector(selector);

  // Tables that sort by a click on a heading; a cell's data-v is its value where its text is not.
  all("table[data-sortable]").forEach((table) => {
    const body = table.tBodies[0];
    all("th", table).forEach((th, column) => {
      const button = one("button", th);
      if (!button) return;
      button.addEventListener("click", () => {
        const up = th.getAttribute("aria-sort") !== "ascending";
        all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => {
          const cell = row.cells[column];
          const marked = one("[data-v]", cell);
          const text = marked ? marked.dataset.v : cell.textContent.trim();
          const number = parseFloat(text.replace(/[,$%]/g, ""));
          return Number.isNaN(number) ? [1, text.toLowerCase()] : [0, number];
        };
        const rows = Array.from(body.rows).map((row) => [value(row), row]);
        rows.sort(([[ak, a]], [[bk, b]]) => (ak - bk || (a < b ? -1 : a > b ? 1 : 0)) * (up ? 1 : -1));
        rows.forEach(([, row]) => body.appendChild(row));
      });
    });
  });

  // A search box and a select that hide rows of the table they name.
  all("[data-filters]").forEach((tools) => {
    const table = document.getElementById(tools.dataset.filters);
    const rows = Array.from(table.tBodies[0].rows).map((row) => [row, row.textContent.toLowerCase(), row.className]);
    const search = one("input", tools), pick = one("select", tools), count = one("output", tools);
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach(([row, text, kind]) => {
        const fits = words.every((word) => text.includes(word)) && (!pick || !pick.value || kind.split(" ").includes(pick.value));
        row.hidden = !fits;
        shown += fits;
      });
      count.textContent = shown.toLocaleString("en") + " of " + rows.length.toLocaleString("en");
    };
    search.addEventListener("input", apply);
    if (pick) pick.addEventListener("change", apply);
    apply();
  });

  // The map: one choice of what is shown, classes and legend from the data block.
  const block = document.getElementById("map-data");
  if (block) {
    const variables = JSON.parse(block.textContent);
    const paths = all(".map path.bg"), legend = one(".map .legend"), readout = one(".map .readout");
    const select = one(".map select");
    const label = (path, variable) => {
      const i = paths.indexOf(path);
      return variables.names[i] + ": " + variable.shown[i] + " " + variable.unit + " (" + variables.people[i] + " people)";
    };
    const show = () => {
      const variable = variables.variables[select.value];
      paths.forEach((path, i) => {
        path.setAttribute("class", "bg b" + (variable.bin[i] === null ? "x" : variable.bin[i]));
        one("title", path).textContent = label(path, variable);
      });
      all("li", legend).forEach((item, i) => {
        item.hidden = i >= variable.legend.length;
        if (item.hidden) return;
        one("span", item).textContent = variable.legend[i];
        one("svg", item).setAttribute("class", "b" + variable.colours[i]);
      });
      readout.textContent = "Point at a block group to read it.";
    };
    select.addEventListener("change", show);
    paths.forEach((path) => {
      const say = () => (readout.textContent = label(path, variables.variables[select.value]));
      path.addEventListener("mouseenter", say);
      path.addEventListener("click", say);
      path.addEventListener("focus", say);
    });
    one(".map .tools").hidden = false;
  }

  // The gallery: a roster, filters, and one citizen at a time.
  const gallery = one(".gallery");
  if (gallery) {
    const cards = all(".citizen", gallery), buttons = all(".roster li button", gallery);
    const items = buttons.map((button) => button.parentElement);
    const texts = cards.map((card) => card.textContent.toLowerCase());
    const place = one(".pager output", gallery), none = one(".none-found", gallery);
    const [back, next] = all(".pager button", gallery);
    const search = one("input[type=search]", gallery), problems = one("input[type=checkbox]", gallery);
    const selects = all("select", gallery);
    let shown = cards.map((_, i) => i), at = 0;
    const draw = (focus) => {
      const current = shown[at];
      cards.forEach((card, i) => card.classList.toggle("shown", i === current));
      buttons.forEach((button, i) => {
        button.setAttribute("aria-current", i === current ? "true" : "false");
        button.tabIndex = i === current ? 0 : -1;
      });
      none.hidden = shown.length > 0;
      back.disabled = at <= 0;
      next.disabled = at >= shown.length - 1;
      place.textContent = shown.length ? at + 1 + " of " + shown.length : "nobody";
      if (current !== undefined) {
        const list = one(".roster ul", gallery), item = items[current];
        if (item.offsetTop < list.scrollTop || item.offsetTop + item.offsetHeight > list.scrollTop + list.clientHeight)
          list.scrollTop = item.offsetTop - list.clientHeight / 3;
        if (focus) buttons[current].focus({ preventScroll: true });
      }
    };
    const step = (by, focus) => {
      at = Math.max(0, Math.min(shown.length - 1, at + by));
      draw(focus);
    };
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      shown = [];
      items.forEach((item, i) => {
        const tags = item.dataset.tags.split(" ");
        const fits =
          words.every((word) => texts[i].includes(word)) &&
          selects.every((select) => !select.value || tags.includes(select.value)) &&
          (!problems || !problems.checked || tags.includes("problem"));
        item.hidden = !fits;
        if (fits) shown.push(i);
      });
      at = 0;
      draw(false);
    };
    buttons.forEach((button, i) => button.addEventListener("click", () => { at = shown.indexOf(i); draw(false); }));
    back.addEventListener("click", () => step(-1, false));
    next.addEventListener("click", () => step(1, false));
    one(".roster ul", gallery).addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[event.key];
      if (by) { event.preventDefault(); step(by, true); }
    });
    [search, problems, ...selects].forEach((input) => input && input.addEventListener("input", filter));
    const wanted = /^#citizen-/.test(location.hash) ? cards.findIndex((card) => "#" + card.id === location.hash) : -1;
    at = Math.max(0, wanted);
    draw(false);
  }

  // Leaves to page through, one at a time.
  all(".leaves").forEach((book) => {
    const leaves = all(".leaf", book), place = one(".pager output", book);
    const [back, next] = all(".pager button", book);
    let at = 0;
    const turn = (by) => {
      at = Math.max(0, Math.min(leaves.length - 1, at + by));
      leaves.forEach((leaf, i) => leaf.classList.toggle("shown", i === at));
      back.disabled = at === 0;
      next.disabled = at === leaves.length - 1;
      place.textContent = at + 1 + " of " + leaves.length;
    };
    back.addEventListener("click", () => turn(-1));
    next.addEventListener("click", () => turn(1));
    turn(0);
  });

  // Where one is on the page.
  const links = all("nav.top a");
  if ("IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        links.forEach((link) => {
          if (link.hash === "#" + entry.target.id) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        });
      });
    }, { rootMargin: "-20% 0px -70% 0px" });
    all("main > section[id]").forEach((section) => seen.observe(section));
  }
})();
