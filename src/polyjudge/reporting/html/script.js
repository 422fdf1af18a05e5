(function () {
  "use strict";
  var config = JSON.parse(document.getElementById("theme").textContent);
  var narrow = window.innerWidth < 640;
  var theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  if (narrow) { config.axis.labelLimit = 150; }
  function longest(texts) {
    return texts.reduce(function (most, one) { return Math.max(most, String(one).length); }, 0);
  }
  // All names that a legend shows: the domains of the colour scales, in whichever layer they are.
  function named(node) {
    if (!node || typeof node !== "object") { return []; }
    var own = node.color && node.color.scale && node.color.scale.domain;
    return Object.keys(node).reduce(function (names, key) {
      return key === "data" ? names : names.concat(named(node[key]));
    }, (own || []).filter(function (name) { return typeof name === "string"; }));
  }
  // As many columns as the longest name leaves room for.
  function legend(spec, width) {
    var each = Math.min(longest(named(spec)), 40) * 7 + 30;
    return Object.assign({}, config.legend, {
      columns: Math.max(1, Math.min(6, Math.floor((width - 60) / each))),
      labelLimit: Math.min(config.legend.labelLimit, width - 60)
    });
  }
  // A matrix shrinks to a small screen, long heads upright.
  function shrink(spec) {
    var columns = spec.encoding.x.scale.domain;
    spec.width = "container";
    spec.height = spec.height.step * spec.encoding.y.scale.domain.length;
    if (longest(columns) * columns.length > 32) { spec.encoding.x.axis.labelAngle = -90; }
  }
  function draw(figure) {
    var spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    var room = figure.querySelector(".chart");
    if (narrow && spec.width && spec.width.step) { shrink(spec); }
    return window.vegaEmbed(room, spec, {
      actions: false, renderer: "svg", ast: true, expr: window.vegaInterpreter, tooltip: { theme: theme },
      config: Object.assign({}, config, { legend: legend(spec, room.clientWidth) })
    })
      .then(function () { if (room.scrollWidth > room.clientWidth) { room.tabIndex = 0; } })
      .catch(function (error) {
        room.textContent = "This chart could not be drawn (" + error.message + "); its numbers are below.";
        console.error(error);
      });
  }
  Promise.all(Array.prototype.map.call(document.querySelectorAll("figure[data-chart]"), draw))
    .then(function () { document.documentElement.setAttribute("data-drawn", "yes"); });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not(.numbers)").forEach(function (one) { one.open = true; });
  });
  // A link into something that is folded unfolds it.
  window.addEventListener("hashchange", function () {
    var there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var one = there; one; one = one.parentElement) { if (one.tagName === "DETAILS") { one.open = true; } }
  });
})();
