"""The pictures of the documentation: what jobspan's commands really print, one SVG each in ``docs/screens``.

``python docs/generate/screens.py [NAME …]`` draws all of them, or some. A small shop (``screens_shop/``) works on a
private machine (``screens_machine.py``) while each command is typed on a pseudo terminal (``screens_terminal.py``).
It needs Linux with util-linux, iproute2 and redis-server. Run it where ``jobspan[all]`` is installed and little else:
``jobspan doctor`` lists what it finds.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from screens_machine import Shop, become_private, environment
from screens_terminal import draw, typed

from jobspan.named_tuple import NamedTuple

SCREENS_FOLDER = Path(__file__).parent.parent / "screens"


class Screen(NamedTuple):
    """One picture.

    Attributes:
        lines: the command lines that are typed; ``{killed}`` stands for an id, ``shop["killed"]``.
        columns: of the terminal.
        until: a command that ends by Ctrl-C gets it when this text is on the screen.
        background: a console command of the shop that is started before.
        in_shop: it is typed while the shop works.
    """

    lines: tuple[str, ...]
    columns: int = 120
    until: str = ""
    background: str = ""
    in_shop: bool = True


SCREENS = {
    "demo": Screen(("jobspan demo",), 140, in_shop=False),
    "serve": Screen(("jobspan serve",), until="Ctrl-C stops this", in_shop=False),
    "failed": Screen(("jobspan failed --since 1h",), 138),
    "failed_by_error": Screen(("jobspan failed --by error",)),
    "runs": Screen(("jobspan runs --limit 15",), 138),
    "show_command": Screen(("jobspan show {command}",)),
    "show_job": Screen(("jobspan show {failed}",)),
    "show_trace": Screen(("jobspan show {trace}",)),
    "show_killed": Screen(("jobspan show {killed}",)),
    "run": Screen(("jobspan run -- ./nightly.sh", "jobspan runs --commands --command nightly.sh")),
    "doctor": Screen(("jobspan doctor --canary",)),
    "commands": Screen(("jobspan runs --commands",), background="import-orders --pause 1"),
    "watch": Screen(("jobspan show {newest} --watch",), background="import-orders --orders 6 --pause 1"),
    "queues": Screen(("jobspan queues",), background="import-orders --orders 40"),
    "workers": Screen(("jobspan workers",), background="import-orders --orders 40"),
    "health": Screen(("jobspan health --limit 'billing: p95=100ms; hooks: failed=2'",)),
    "monitor": Screen(("jobspan monitor",), until="--queues reports"),
}


def main(names: list[str]) -> None:
    """Draw the screens of these names, by default all."""
    unknown = set(names) - set(SCREENS)
    if unknown:
        raise SystemExit(f"saw {', '.join(sorted(unknown))}; expected some of {', '.join(SCREENS)}")
    become_private()
    with ExitStack() as closing:
        shop = None
        for name, screen in SCREENS.items():
            if names and name not in names:
                continue
            if screen.in_shop and shop is None:
                shop = closing.enter_context(Shop())
            _draw(name, screen, shop)


def _draw(name: str, screen: Screen, shop: Shop | None) -> None:
    if shop and screen.background:
        shop.start(screen.background)
    shown = []
    for pattern in screen.lines:
        line = pattern.format_map(shop) if shop else pattern
        shown.append((line, typed(line, environment(), screen.columns, until=screen.until)))
    SCREENS_FOLDER.mkdir(exist_ok=True)
    (SCREENS_FOLDER / f"{name}.svg").write_text(draw(shown), "utf-8")
    print(f"docs/screens/{name}.svg", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
