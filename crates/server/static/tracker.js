// Keeps the tracker fresh without a reload. The page works without it: a link says how to look again.
(function () {
  "use strict";
  var main = document.querySelector("main[data-refresh]");
  if (!main || !window.fetch || !window.DOMParser) return;
  var seconds = Number(main.dataset.refresh) || 10;

  function isBusy() {
    var active = document.activeElement;
    return document.hidden || main.querySelector("details[open]") || (active && main.contains(active) && active !== main);
  }

  function typed() {
    return Array.prototype.some.call(main.querySelectorAll("input"), function (input) { return input.type !== "hidden" && input.value; });
  }

  function look() {
    if (isBusy() || typed()) return;
    fetch(window.location.pathname, { credentials: "same-origin", cache: "no-store" })
      .then(function (answer) { return answer.ok ? answer.text() : null; })
      .then(function (text) {
        if (!text || isBusy() || typed()) return;
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
        if (!fresh || fresh.innerHTML === main.innerHTML) return;
        main.innerHTML = fresh.innerHTML;
        if (!fresh.dataset.refresh) window.clearInterval(timer);
      })
      .catch(function () {});
  }

  var timer = window.setInterval(look, seconds * 1000);
})();
