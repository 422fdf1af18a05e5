(function () {
  "use strict";
  var root = document.documentElement;
  var look = JSON.parse(document.getElementById("look").textContent);
  if (window.innerWidth < 640) {
    look.axis.labelLimit = 96;
    look.legend.columns = 2;
    look.legend.labelLimit = 140;
  }
  function draw(figure) {
    var spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    var room = figure.querySelector(".chart");
    return window.vegaEmbed(room, spec, {
      actions: false, renderer: "svg", ast: true, expr: window.vegaInterpreter, config: look,
      tooltip: { theme: window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" }
    })
      .then(function () { if (room.scrollWidth > room.clientWidth) { room.tabIndex = 0; } })
      .catch(function (error) {
        room.textContent = "This chart could not be drawn (" + error.message + "); its numbers are below.";
        console.error(error);
      });
  }
  Promise.all(Array.prototype.map.call(document.querySelectorAll("figure[data-chart]"), draw))
    .then(function () { root.setAttribute("data-drawn", "yes"); });
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (one) { one.open = true; });
  });
  // A link into something that is folded unfolds it.
  window.addEventListener("hashchange", function () {
    var there = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var one = there; one; one = one.parentElement) { if (one.tagName === "DETAILS") { one.open = true; } }
  });
})();
