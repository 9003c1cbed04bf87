// Every page that somebody can reach by links, full of the demo's year of history, as each of the three visitors whose
// links the program prints: answers 200, no script error, no accessibility finding, no sideways scroll, light and dark,
// on a phone and on a desk. What a page costs is printed beside it; the first load of a visit is bounded.
import assert from "node:assert/strict";
import test from "node:test";
import { inspect, openBrowser } from "./lib/browser.mjs";
import { startBailiwick } from "./lib/server.mjs";

const WIDTHS_PX = [390, 1280];
// Colours do not hang on the width, nor columns on the colours: two looks see both of each. The second page of a kind,
// which has other things on it, is looked at the other way round. A look costs a second, and there are 400 of them.
const LOOKS = [
  [[390, "light"], [1280, "dark"]],
  [[390, "dark"], [1280, "light"]],
];
const FIRST_LOAD_BYTES_MAX = 100_000;
// What a list should take on the server; said, not insisted on: other programs share this machine.
const SERVER_MS = 50;
// A kind of page is looked at this often, with different things on it.
const EACH_KIND_MAX = LOOKS.length;
// Looked at side by side.
const TABS = 3;
const VISITORS = ["provider owner", "organization admin", "member"];
// Answers that are files or redirects, no pages.
const NO_PAGE = /\/(export|download|assets|openapi\.json|sign-out)|\.csv|\.jsonl/;

const seen = { server: undefined, kinds: new Map(), lines: [] };

test.before(async () => {
  seen.server = await startBailiwick({
    args: ["--demo"],
    env: { BAILIWICK_RATE_LIMIT_PERCENT: "0", BAILIWICK_PROVIDER_NAME: "Northwind Cloud", BAILIWICK_MAILBOX: "mailbox" },
    ready_ms: 600_000,
  });
});

test.after(async () => {
  await seen.server?.stop();
});

function printedLink(who) {
  const link = seen.server.output().match(new RegExp(`^${who}\\s+(\\S+)$`, "m"))?.[1];
  assert.ok(link, `a link for the ${who} in:\n${seen.server.output()}`);
  return link;
}

// `/o/harbor/people/0197…` → `/o/*/people/*`: two people's pages are one kind.
function kindOf(url) {
  const parts = url.pathname.split("/").map((part, at, all) => {
    if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(part) || /^\d+$/.test(part)) return "*";
    if (all[1] === "o" && at === 2) return "*";
    if (/^[A-Z]{3}-[A-Z]?\d+$/.test(part)) return "ROW";
    return part;
  });
  const names = [...url.searchParams.keys()].sort().join("&");
  return parts.join("/") + (names ? `?${names}` : "");
}

async function linksOf(page) {
  const hrefs = await page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a) => a.href));
  return hrefs.map((href) => new URL(href)).filter((url) => url.origin === seen.server.url && !NO_PAGE.test(url.pathname));
}

// Bytes over the wire of everything that `go` loads.
async function transferred(page, go) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  const response = await go();
  await page.waitForLoadState("networkidle");
  await session.detach();
  return { bytes, response };
}

// Looks at one page; what leads on from it is given to `found`, what is wrong with it to `wrong`.
async function look(t, page, url, who, { found, wrong }) {
  const kind = kindOf(url);
  const response = await page.goto(url.href);
  const server_ms = Number(response.headers()["server-timing"]?.match(/app;dur=([\d.]+)/)?.[1]);
  const line = `${response.status()} ${Number.isNaN(server_ms) ? "no timing" : `${server_ms} ms`}${server_ms > SERVER_MS ? " SLOW" : ""} ${url.pathname}${url.search}`;
  t.diagnostic(line);
  if (response.status() !== 200) {
    wrong(`${line} (as ${who})`);
    return;
  }
  found(await linksOf(page));
  // Seen by an earlier visitor: the same template, the same findings.
  const looked = seen.kinds.get(kind) ?? 0;
  if (looked >= EACH_KIND_MAX) return;
  seen.kinds.set(kind, looked + 1);
  const name = `demo-${kind.replaceAll(/[^a-z0-9A-Z]+/g, "-").replaceAll(/^-|-$/g, "")}-${looked + 1}`;
  try {
    await inspect(page, name, { looks: LOOKS[looked] });
  } catch (error) {
    wrong(`${url.pathname}: ${error.message}\n${JSON.stringify(error.actual ?? "", null, 1)}`);
  }
}

// Follows every link, in several tabs at once: most of the time is the browser's.
async function walk(t, tabs, who) {
  const waiting = await linksOf(tabs[0]);
  const visited = new Set();
  const count = new Map();
  const troubles = [];
  const found = (urls) => {
    waiting.push(...urls);
  };
  const wrong = (what) => {
    troubles.push(what);
  };
  const take = () => {
    const batch = [];
    while (waiting.length > 0 && batch.length < tabs.length) {
      const url = waiting.shift();
      url.hash = "";
      const kind = kindOf(url);
      if (visited.has(url.href) || (count.get(kind) ?? 0) >= EACH_KIND_MAX) continue;
      visited.add(url.href);
      count.set(kind, (count.get(kind) ?? 0) + 1);
      batch.push(url);
    }
    return batch;
  };
  for (let batch = take(); batch.length > 0; batch = take()) {
    await Promise.all(batch.map((url, at) => look(t, tabs[at], url, who, { found, wrong })));
  }
  assert.deepEqual(troubles, [], `pages of the ${who}`);
  t.diagnostic(`${who}: ${visited.size} pages of ${count.size} kinds`);
  return visited;
}

for (const who of VISITORS) {
  test(`every page that the ${who} can reach is right`, async (t) => {
    const browser = await openBrowser();
    t.after(() => browser.browser.close());
    const page = await browser.page();
    await page.goto(printedLink(who));
    const first = await transferred(page, async () => {
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
    });
    t.diagnostic(`first console page: ${page.url()}`);
    // The sign-in page loaded style and script already; a fresh cache loads all of it.
    await page.context().newCDPSession(page).then((session) => session.send("Network.clearBrowserCache"));
    const { bytes } = await transferred(page, () => page.goto(page.url()));
    t.diagnostic(`first load: ${bytes} bytes (after sign-in ${first.bytes})`);
    assert.ok(bytes > 0 && bytes < FIRST_LOAD_BYTES_MAX, `the first load took ${bytes} bytes`);
    const tabs = [page];
    while (tabs.length < TABS) tabs.push(await browser.tab(page.context()));
    const visited = await walk(t, tabs, who);
    assert.ok(visited.size > 3, `only ${visited.size} pages are linked`);
    assert.deepEqual(tabs.flatMap((tab) => tab.troubles), []);
  });
}

test("the public pages are right", async (t) => {
  const browser = await openBrowser();
  t.after(() => browser.browser.close());
  const page = await browser.page();
  for (const path of ["/sign-in", "/sign-up", "/recover", "/no-such-page"]) {
    const response = await page.goto(`${seen.server.url}${path}`);
    assert.equal(response.status(), path === "/no-such-page" ? 404 : 200);
    await inspect(page, `demo-public${path.replaceAll("/", "-")}`, { widths_px: WIDTHS_PX });
  }
  assert.deepEqual(page.troubles, []);
});

test("who is not signed in is sent to the sign-in page and back afterwards", async () => {
  const answer = await fetch(`${seen.server.url}/provider`, { redirect: "manual" });
  assert.equal(answer.status, 303);
  assert.match(answer.headers.get("location"), /^\/sign-in\?next=/);
});
