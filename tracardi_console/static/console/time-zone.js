/*
 * Offers the browser's own time zone where another one is chosen. It only fills the field in: what is
 * kept is what the person saves.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const offer = document.querySelector("[data-zone-offer]");
  const field = document.querySelector("input[list='time-zones']");
  if (!offer || !field) return;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...document.querySelectorAll("#time-zones option")].some((one) => one.value === here);
  // An empty field means the console's own.
  if (!here || !known || (field.value || offer.dataset.zoneOffer) === here) return;
  offer.querySelector("[data-zone-name]").textContent = here;
  offer.querySelector("button").addEventListener("click", () => {
    field.value = here;
    offer.hidden = true;
    field.focus();
  });
  offer.hidden = false;
});
