"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hues = JSON.parse(document.getElementById("hues").textContent);
  const drawn = new Set();

  // Colours of figures: names of the page's own colours, and hues that differ in the dark.
  const tone = (value) => {
    if (typeof value !== "string") return value;
    if (value.startsWith("--")) return getComputedStyle(root).getPropertyValue(value).trim();
    return (dark.matches && hues[value]) || value;
  };
  const toned = (value, key = "") => {
    if (Array.isArray(value)) return value.map((item) => toned(item, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toned(item, name)]));
    }
    return /color$/.test(key) ? tone(value) : value;
  };

  const settings = {
    responsive: true, displaylogo: false, showLink: false, scrollZoom: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg" },
  };
  const draw = (place) => {
    const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
    const inner = place.firstElementChild;
    inner.style.minWidth = `${figure.width}px`;
    drawn.add(place);
    Plotly.react(inner, toned(figure.data), toned(figure.layout), settings).then(() => {
      place.dataset.drawn = "";
    });
  };
  const show = (panel) => panel.querySelectorAll(".live").forEach((place) => drawn.has(place) || draw(place));
  dark.addEventListener("change", () => drawn.forEach(draw));

  const bar = document.querySelector("nav");
  const tabs = [...bar.querySelectorAll("a")];
  const panelOf = (tab) => document.getElementById(tab.hash.slice(1));
  const select = (chosen) => {
    for (const tab of tabs) {
      const mine = tab === chosen;
      tab.setAttribute("aria-selected", mine);
      tab.tabIndex = mine ? 0 : -1;
      panelOf(tab).hidden = !mine;
    }
    show(panelOf(chosen));
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const keys = { ArrowRight: (i) => i + 1, ArrowLeft: (i) => i - 1, Home: () => 0, End: () => tabs.length - 1 };
  tabs.forEach((tab, index) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", tab.hash.slice(1));
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      history.replaceState(null, "", tab.hash);
      select(tab);
    });
    tab.addEventListener("keydown", (event) => {
      const move = keys[event.key];
      if (!move) return;
      event.preventDefault();
      const next = tabs[(move(index) + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
    const panel = panelOf(tab);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.tabIndex = 0;
  });
  bar.setAttribute("role", "tablist");
  root.classList.add("scripted");
  const asked = () => tabs.find((tab) => tab.hash === location.hash) || tabs[0];
  addEventListener("hashchange", () => select(asked()));
  select(asked());
})();
