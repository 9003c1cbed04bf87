// Debian's Chromium, driven by playwright-core. A page opened here remembers everything that went wrong
// in it (script errors, refused by the content security policy, failed or 5xx requests): `page.troubles`.
//   const browser = await openBrowser();
//   const page = await browser.page({ width_px: 390, dark: true });
//   await page.goto(url);  await assertAccessible(page);  await picture(page, "matrix");
//   await browser.stop();  // fails when any page had troubles nobody expected
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

// The widths every page has to look right at: phone, tablet, desk.
export const WIDTHS_PX = [390, 768, 1280];

const PICTURES = process.env.BAILIWICK_PICTURES ?? fileURLToPath(new URL("../../../target/pictures", import.meta.url));
// Nobody looks at those of continuous integration, and a whole page costs half a second.
const NO_PICTURES = process.env.CI === "true" && !process.env.BAILIWICK_PICTURES;

function executable() {
  if (process.env.BAILIWICK_CHROMIUM) return process.env.BAILIWICK_CHROMIUM;
  return execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
}

export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: executable(),
    // Chromium's own sandbox refuses to run as root, which containers are; it opens our own pages only.
    chromiumSandbox: process.getuid() !== 0,
    args: ["--disable-background-networking", "--disable-component-update", "--no-first-run"],
  });
  const pages = [];
  return {
    browser,
    // Each page has cookies and storage of its own: one page is one person.
    async page({ width_px = 1280, height_px = 900, dark = false, scripts = true, ...options } = {}) {
      const context = await browser.newContext({
        viewport: { width: width_px, height: height_px },
        colorScheme: dark ? "dark" : "light",
        javaScriptEnabled: scripts,
        reducedMotion: "reduce",
        locale: "en-GB",
        timezoneId: "Europe/Berlin",
        ...options,
      });
      return this.tab(context);
    },
    // One more page of the same person.
    async tab(context) {
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      watch(page);
      pages.push(page);
      return page;
    },
    async stop() {
      await browser.close();
      const troubles = pages.flatMap((page) => page.troubles);
      assert.deepEqual(troubles, [], "pages had troubles");
    },
  };
}

function watch(page) {
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(`script error: ${error.message}`));
  page.on("console", (message) => {
    // Chromium repeats every answer from 400 up as a console error; a refusal on purpose is none.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      page.troubles.push(`console: ${message.text()}`);
    }
  });
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") page.troubles.push(`request failed: ${request.url()}: ${reason}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 500) page.troubles.push(`${response.status()} from ${response.url()}`);
  });
}

// WCAG 2.0–2.2, levels A and AA, without exception. Says which element breaks which rule.
export async function assertAccessible(page) {
  assert.equal(page.frames().length, 1, `a frame on ${page.url()}: nobody looks into it`);
  const found = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    // Otherwise each look opens one more page, in a process of its own, to sum up what the frames said.
    .setLegacyMode()
    .analyze();
  const said = found.violations.flatMap((rule) =>
    rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary.replaceAll("\n", " ")}`),
  );
  assert.deepEqual(said, [], `accessibility of ${page.url()}`);
  assert.ok(found.passes.length > 0, `axe checked nothing on ${page.url()}`);
}

// Nothing sticks out to the right: a page scrolls down, never sideways.
export async function assertNoSidewaysScroll(page) {
  const wide = await page.evaluate(() => {
    const limit = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= limit) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > limit + 1)
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`)
      .slice(0, 5);
  });
  assert.deepEqual(wide, [], `wider than the screen on ${page.url()}`);
}

// Writes target/pictures/NAME.png for people to look at; returns its path.
export async function picture(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  const path = join(PICTURES, `${name}.png`);
  await page.screenshot({ path, fullPage: true, animations: "disabled" });
  return path;
}

// The page as it stands, in each of these looks (width in pixels, colour scheme), by default every width light and
// dark: no accessibility finding, no sideways scroll, one picture each.
export async function inspect(page, name, { widths_px = WIDTHS_PX, looks } = {}) {
  const was = page.viewportSize();
  for (const [width_px, scheme] of looks ?? widths_px.flatMap((width) => [[width, "light"], [width, "dark"]])) {
    await page.setViewportSize({ width: width_px, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await assertAccessible(page);
    await assertNoSidewaysScroll(page);
    if (!NO_PICTURES) await picture(page, `${name}-${width_px}-${scheme}`);
  }
  await page.setViewportSize(was);
  await page.emulateMedia({ colorScheme: null });
}
