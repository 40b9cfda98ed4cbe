/*
 * Comfort for pictures of flows: a large one begins where something changed, the settings that a
 * node's link leads to are opened, and two versions side by side scroll together. Without it
 * everything can still be read.
 */
"use strict";

(() => {
  const openTarget = () => {
    // Our ids are plain: nothing is to be decoded.
    const target = document.getElementById(window.location.hash.slice(1));
    if (target instanceof HTMLDetailsElement && target.classList.contains("tc-flow-settings")) {
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus({ preventScroll: true });
    }
  };

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest('a[href^="#"]');
    // The same link once more changes no address, and so is no event of its own.
    if (link && link.getAttribute("href") === window.location.hash) {
      openTarget();
    }
  });
  window.addEventListener("hashchange", openTarget);

  // Scrolling does not bubble: it is caught on its way down.
  document.addEventListener(
    "scroll",
    (event) => {
      const moved = event.target;
      if (!(moved instanceof Element) || !moved.classList.contains("tc-flow-wrap")) {
        return;
      }
      for (const other of moved.closest(".tc-flow-panels").querySelectorAll(".tc-flow-wrap")) {
        if (other !== moved) {
          other.scrollLeft = moved.scrollLeft;
          other.scrollTop = moved.scrollTop;
        }
      }
    },
    true,
  );
  // Of a picture that is larger than its frame, what changed is shown first, or where it begins.
  const begin = () => {
    for (const panels of document.querySelectorAll(".tc-flow-panels")) {
      const first =
        panels.querySelector('.tc-flow-node[class*="tc-flow-mark--"]') ||
        panels.querySelector(".tc-flow-node--focus") ||
        panels.querySelector(".tc-flow-picture:not(.tc-flow-picture--way) .tc-flow-node");
      const frame = first && first.closest(".tc-flow-wrap");
      if (frame) {
        const box = first.getBoundingClientRect();
        const around = frame.getBoundingClientRect();
        if (box.left < around.left || box.right > around.right) {
          frame.scrollLeft += box.left + box.width / 2 - around.left - around.width / 2;
        }
        if (box.bottom > around.bottom) {
          frame.scrollTop += box.bottom - around.top - around.height * 0.6;
        }
      }
    }
    openTarget();
  };

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", begin);
  } else {
    begin();
  }
})();
