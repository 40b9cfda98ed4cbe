/*
 * Lets Unfold 0.91 work under a policy without unsafe-inline and unsafe-eval, with no template
 * changed. It runs after htmx and before Unfold's app.js and Alpine.
 *
 * Alpine's CSP build reads one expression an attribute and sees no global names, so what Unfold's
 * templates read from globals is put into the root scope, and the few attributes that are more
 * than an expression are rewritten on the fly. tests/browser fails when Unfold brings a new one.
 */
"use strict";

// htmx would insert a <style>; its rules are in console.css.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// Until Alpine has started, the whole page is hidden, and what is hidden takes no focus: a browser that
// looked for autofocus before then has given up.
document.addEventListener("alpine:initialized", () => {
  // After Alpine's own microtask, which shows the page.
  queueMicrotask(() => {
    if (document.activeElement === document.body) {
      document.querySelector("[autofocus]")?.focus();
    }
  });
});

document.addEventListener("alpine:init", () => {
  // The functions of app.js are wrapped: the CSP build refuses whatever is a property of window.
  const root = () => ({
    localStorage: {
      getItem: (key) => window.localStorage.getItem(key),
      setItem: (key, value) => window.localStorage.setItem(key, value),
    },
    window: {
      location: {
        get pathname() {
          return window.location.pathname;
        },
        get search() {
          return window.location.search;
        },
      },
    },
    getCurrentTab: () => getCurrentTab(),
    sortRecords: (event) => sortRecords(event),
    moveRecords: (event) => moveRecords(event),
    rememberSidebar: (open) => window.localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"),
    clearOrLeave: (input) => {
      if (input.value === "") {
        input.blur();
      } else {
        input.value = "";
      }
    },
    followSelect2: (element, name, data) => {
      const $ = django.jQuery;
      $(() => {
        $(element).on("change", () => {
          data[name] = $(element).val();
        });
      });
    },
  });

  Alpine.data("theme", (...args) => Object.assign(theme(...args), root()));
  Alpine.data("searchForm", () => searchForm());
  Alpine.data("searchDropdown", () => searchDropdown());
  Alpine.data("searchCommand", () => searchCommand());

  // What the parser refuses, as Unfold's templates write it, and what stands for it.
  const rewrites = [
    [
      "value => localStorage.setItem('sidebarDesktopOpen', value ? '1' : '0')",
      "rememberSidebar",
    ],
    [
      "if ($refs.searchInput.value === '') { $refs.searchInput.blur() } " +
        "else { $refs.searchInput.value = '' }",
      "clearOrLeave($refs.searchInput)",
    ],
    [/^if \((!\$event\.metaKey && !\$event\.ctrlKey)\) (selectItem\(.*\))$/, "$1 && $2"],
    [
      /^const \$ = django\.jQuery; \$\(function \(\) \{ .* => \{ (\w+) = select\.val\(\); \}\); \}\);$/,
      "followSelect2($el, '$1', $data)",
    ],
  ];
  const statement = /(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^;'"])+/g;

  const rewrite = (code) => {
    const expression = rewrites.reduce((text, [from, to]) => {
      // A function, so that a "$" in a fixed text is not read as a group.
      return from instanceof RegExp ? text.replace(from, to) : text.replace(from, () => to);
    }, code.trim());
    const parts = (expression.match(statement) || []).map((part) => part.trim()).filter(Boolean);
    // The parser evaluates the items of an array in their order, and takes no list of statements.
    return parts.length > 1 ? `[${parts.join(", ")}]` : expression;
  };

  Alpine.mapAttributes(({ name, value }) => {
    if (name === "x-init" || name.startsWith("x-on:")) {
      return { name, value: typeof value === "string" ? rewrite(value) : value };
    }
    if (name === "x-bind:style" && value === "'width: ' + changeListWidth + 'px'") {
      // A string would be set as a style attribute; an object goes through the CSSOM.
      return { name, value: "{ width: changeListWidth + 'px' }" };
    }
    return { name, value };
  });
});

/*
 * Unfold opens its menus by plain elements, which no key reaches: they are made buttons.
 */
(() => {
  // The names of icons are no words for who hears a page.
  const words = {
    close: "Close",
    computer: "Theme",
    dark_mode: "Theme",
    dock_to_right: "Side bar",
    light_mode: "Theme",
    visibility: "Show the password",
    visibility_off: "Show the password",
  };
  const own = "a[href], button, input, label, select, summary, textarea";

  document.addEventListener("alpine:initialized", () => {
    for (const one of document.querySelectorAll("[x-on\\:click]")) {
      if (!one.matches(own) && !one.querySelector(own)) {
        one.tabIndex = 0;
        one.setAttribute("role", "button");
        const name = words[one.textContent.trim()];
        if (name) {
          one.setAttribute("aria-label", name);
        }
      }
    }
  });

  document.addEventListener("keydown", (event) => {
    const one = event.target;
    if (
      (event.key === "Enter" || event.key === " ") &&
      one instanceof Element &&
      one.matches("[x-on\\:click][role=button]")
    ) {
      event.preventDefault();
      one.click();
    }
  });
})();
