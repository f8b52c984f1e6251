// Finds the machine's Chromium for tests that need a real browser; where there is none they are skipped, unless it is required.
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium, type BrowserContext } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const found = [process.env["CHROMIUM"], ...PLACES].find((each) => each !== undefined && existsSync(each));

/** Whether a browser is there. `REQUIRE_BROWSER=1` makes its absence an error. */
export function hasBrowser(): boolean {
  if (found === undefined && process.env["REQUIRE_BROWSER"] === "1")
    throw new Error("no Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path");
  return found !== undefined;
}

/** A browser with a profile of its own. Close it by `close()`. */
export function openBrowser(): Promise<BrowserContext> {
  return chromium.launchPersistentContext(mkdtempSync(path.join(tmpdir(), "interlock-browser-")), {
    executablePath: found ?? "",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    viewport: { width: 900, height: 1_100 },
  });
}
