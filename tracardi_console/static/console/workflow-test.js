/*
 * Comfort for the form of a workflow test: what is offered for an expectation follows its kind.
 * Without it the list is right again once the form was sent.
 */
"use strict";

(() => {
  document.addEventListener("change", (event) => {
    const kind = event.target;
    const lists = document.getElementById("offers-of");
    if (!(kind instanceof HTMLSelectElement) || !kind.name.endsWith("-kind") || !lists) {
      return;
    }
    const subject = document.getElementsByName(kind.name.replace(/kind$/, "subject"))[0];
    const list = JSON.parse(lists.textContent)[kind.value];
    if (list) {
      subject.setAttribute("list", list);
    } else {
      subject.removeAttribute("list");
    }
  });
})();
