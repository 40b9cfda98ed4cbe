/*
 * Goes through the tour's steps without asking for the page anew. Without this its links do, by the
 * step in the address. The focus stays with whoever goes on: on the button of the same name, or, at
 * either end, on the one that is left.
 */
"use strict";

(() => {
  const go = (link) => {
    const shown = link.closest("[data-tour-step]");
    const forward = link.dataset.tourGo === "next";
    const next = forward ? shown.nextElementSibling : shown.previousElementSibling;
    if (!next) return false;
    shown.hidden = true;
    next.hidden = false;
    const same = next.querySelector(`[data-tour-go="${link.dataset.tourGo}"]`);
    (same || next.querySelector(forward ? "button" : "[data-tour-go]")).focus();
    // Opened anew, the page shows the same step.
    history.replaceState(history.state, "", link.href.split("#")[0]);
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-tour-go]");
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (link && plain && event.button === 0 && go(link)) event.preventDefault();
  });
  document.addEventListener("htmx:afterSettle", () => {
    const end = document.querySelector(".tc-tour-end");
    if (!end || end.dataset.told) return;
    // What had the focus is gone: it goes on from here.
    end.dataset.told = "yes";
    end.focus();
    const address = new URL(location.href);
    address.searchParams.delete("tour");
    history.replaceState(history.state, "", address);
  });
})();
