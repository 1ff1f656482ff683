"""`python -m tests.web.screenshots`: the pictures of the README, taken of a running demo (`make demo`) as it is.

The overview at 1,280 pixels, and the same page on a phone. Let the demo run for some minutes first: it has no trades before.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Final

from playwright.async_api import Browser

from services.api.web import __file__ as web
from tests.support.chromium import chromium
from tests.web.smaller_png import smaller

_FOLDER: Final = Path(web).parent / "screenshots"
_SIZES: Final = {"overview": (1280, 960), "phone": (400, 860)}
_MOST_BYTES: Final = 150_000


async def take(url: str) -> dict[str, bytes]:
    """Take the pictures of the API at this address, as PNG by name."""
    async with chromium() as browser:
        return {name: await _picture(browser, url, size) for name, size in _SIZES.items()}


async def _picture(browser: Browser, url: str, size: tuple[int, int]) -> bytes:
    width, height = size
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="light", reduced_motion="reduce"
    )
    await page.goto(url)
    await page.locator("tbody.signal").first.wait_for()
    return smaller(await page.screenshot())


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="tests.web.screenshots", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the page of the demo; default port 8000")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where; default services/api/web/screenshots")
    given = parser.parse_args()
    taken = asyncio.run(take(given.url))
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in taken.items():
        (given.folder / f"{name}.png").write_bytes(picture)
        print(f"{name}.png: {len(picture):,} bytes")  # noqa: T201  # a command line prints
    return 1 if any(len(picture) > _MOST_BYTES for picture in taken.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
