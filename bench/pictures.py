"""Take the README's pictures of a Slugline that shows the recorded web: `make run`, then `python -m bench.pictures URL`.

Top Headlines, and the story with the most articles of those that a query finds; at 1280 by 900, light, as WebP, which is a third of PNG.
"""

import argparse
import base64
import json
import shutil
import urllib.request
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
LARGEST_BYTES = 150_000
PACK = """async (png) => {
  const picture = new Image();
  picture.src = "data:image/png;base64," + png;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/webp", quality: 0.9 })).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""


def take(url: str, query: str) -> None:
    """Write `top.webp` and `story.webp`, and say how large they are."""
    with urllib.request.urlopen(f"{url}/api/search?q={quote(query)}") as answer:
        stories = json.load(answer)["stories"]
    story = max(stories, key=lambda found: found["article_count"])
    PICTURES.mkdir(exist_ok=True)
    browser_path = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        blank = browser.new_page()
        for name, path in (("top", "/"), ("story", f"/stories/{story['story_id']}")):
            page.goto(url + path)
            page.get_by_text("Live", exact=True).wait_for()
            packed = base64.b64decode(blank.evaluate(PACK, base64.b64encode(page.screenshot()).decode()))
            (PICTURES / f"{name}.webp").write_bytes(packed)
            print(f"{name}.webp: {len(packed):,} bytes" + (": more than a README should carry" if len(packed) > LARGEST_BYTES else ""))
        browser.close()


def main() -> None:
    """Take them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    arguments.add_argument("--query", default="Lee", help="what the story is found by")
    options = arguments.parse_args()
    take(options.url, options.query)


if __name__ == "__main__":
    main()
