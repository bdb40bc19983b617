"""A headless Chromium that opens a page in frames of several widths and tells what it measured there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MEASURE: Final = """\
<!DOCTYPE html><meta charset="utf-8"><body><pre id="measured">not yet</pre><script>
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const behind = (element, view) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = rgb(view.getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const contrast = (element, view) => {
  const style = view.getComputedStyle(element);
  const inDrawing = element.closest("svg");
  const ink = rgb(inDrawing ? style.fill : style.color);
  const box = inDrawing && element.parentElement.querySelector(".box");
  const paper = box ? rgb(view.getComputedStyle(box).fill) : behind(element, view);
  const [low, high] = [light(ink), light(paper)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const measure = frame => {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  page.querySelectorAll("details").forEach(each => { each.open = true; });
  const texts = [...page.querySelectorAll("body *")].filter(each =>
    [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    && !each.closest("style, title"));
  const faint = texts.map(each => [contrast(each, view), each.tagName + "." + each.getAttribute("class")]);
  const wide = [...page.querySelectorAll("body *")].filter(each =>
    !each.closest(".scroll, svg, .skip") && each.getBoundingClientRect().right > root.clientWidth + 0.5);
  const graphs = [...page.querySelectorAll("svg.graph")].map(each => {
    const box = each.closest(".scroll"), name = each.querySelector(".name");
    return {
      left: each.getBoundingClientRect().left - box.getBoundingClientRect().left,
      right: box.scrollWidth - (each.getBoundingClientRect().right - box.getBoundingClientRect().left),
      scrolls: box.scrollWidth > box.clientWidth,
      box: box.getBoundingClientRect().right,
      letters: name ? name.getBoundingClientRect().height : null,
    };
  });
  return {
    graphs, width: root.clientWidth, needs: root.scrollWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    wide: wide.map(each => each.outerHTML.slice(0, 100)),
    faint: faint.filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => what + " " + ratio.toFixed(2)),
    styled: view.getComputedStyle(page.querySelector("h1")).fontWeight,
  };
};
const measured = [], frames = FRAMES;
const next = () => {
  if (!frames.length) { document.getElementById("measured").textContent = JSON.stringify(measured); return; }
  const [width, scheme] = frames.shift(), frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0;color-scheme:${scheme}`;
  frame.onload = () => { measured.push(measure(frame)); frame.remove(); next(); };
  frame.src = PAGE;
  document.body.append(frame);
};
next();
</script>
"""


def find_browser() -> str | None:
    """The program of a Chromium, if there is one here."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def measure(browser: str, page: Path, widths: tuple[int, ...], scratch: Path) -> list[dict[str, Any]]:
    """Open a page at several widths, light and dark, with all its details open.

    Returns:
        For each frame its width and the width that it needs, what sticks out of it, texts whose contrast is
        below 4.5 (WCAG 2.2, 1.4.3), and of each graph the space at its sides and the height of its letters.
    """
    frames = [[width, scheme] for width in widths for scheme in ("light", "dark")]
    harness = scratch / "measure.html"
    text = _MEASURE.replace("FRAMES", json.dumps(frames)).replace("PAGE", json.dumps(page.as_uri()))
    harness.write_text(text, encoding="utf-8")
    finished = subprocess.run(
        [
            browser,
            *(
                "--headless=new",
                "--no-first-run",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ),
            *("--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=60000"),
            *("--window-size=1600,1000", f"--user-data-dir={scratch / 'profile'}", "--dump-dom"),
            harness.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    complaints = [line for line in finished.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    found = re.search(r'<pre id="measured">(.*?)</pre>', finished.stdout, re.DOTALL)
    assert found, finished.stdout[-2000:]
    measured: list[dict[str, Any]] = json.loads(unescape(found[1]))
    return measured
