/*
 * What is shown once is gone when the page is left: a browser that keeps whole pages to go back to
 * would show it again. Without this the page is asked for anew, which shows nothing.
 */
"use strict";

(() => {
  const hide = () => {
    for (const shown of document.querySelectorAll("[data-shown-once]")) {
      shown.textContent = "Hidden. Go back, and ask for it again.";
      shown.removeAttribute("data-shown-once");
    }
  };
  window.addEventListener("pagehide", hide);
})();
