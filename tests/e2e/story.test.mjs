// One organization's way through the product, in a real browser, with a real DNS server and a real mail server:
// sign up, prove a domain, claim its accounts, watch the matrix follow, lose the proof, lose the domain.
// On SQLite; with E2E_DATABASE=postgres (and tools/with-postgres.sh) the same on PostgreSQL.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import { startDns } from "../kit/dns.mjs";
import { until } from "../kit/process.mjs";
import { startSmtp } from "../kit/smtp.mjs";
import { inspect, openBrowser } from "./lib/browser.mjs";
import { KIND, openDatabase } from "./lib/database.mjs";
import { PASSWORD, advance, apiOf, forEachFew, linkIn, setUpLink, signIn, signUp } from "./lib/people.mjs";
import { BINARY, startBailiwick } from "./lib/server.mjs";

const DOMAIN = "harbor-logistics.dev";
const SLUG = "harbor-logistics";
const RECORD = `_bailiwick-challenge.${DOMAIN}`;
const ACCOUNTS = 50;
const OWNER = { email: "nora.winter@northwind.dev", name: "Nora Winter" };
const ADA = { email: `ada.lindqvist@${DOMAIN}`, name: "Ada Lindqvist" };
const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
// What the matrix promises: a change shows this soon after its commit.
const MATRIX_MS_MAX = 1000;
const WIDTHS_PX = [390, 1280];

const story = {};

test.before(async () => {
  story.dns = await startDns([DOMAIN]);
  story.smtp = await startSmtp();
  story.database = await openDatabase();
  story.server = await startBailiwick({
    args: ["--test-clock"],
    env: {
      ...story.database.env,
      BAILIWICK_DNS_SERVERS: story.dns.server,
      BAILIWICK_SMTP_URL: `smtp://127.0.0.1:${story.smtp.port}`,
      BAILIWICK_RATE_LIMIT_PERCENT: "0",
      BAILIWICK_PROVIDER_NAME: "Northwind Cloud",
    },
  });
  story.browser = await openBrowser();
  story.ada = await story.browser.page();
  story.nora = await story.browser.page();
});

test.after(async () => {
  const ends = [() => story.browser?.stop(), () => story.server?.stop(), () => story.database?.stop(), () => story.smtp?.stop(), () => story.dns?.stop()];
  const failed = [];
  for (const end of ends) await end()?.catch?.((error) => failed.push(error));
  if (failed.length > 0) throw failed[0];
});

const look = (page, name) => inspect(page, `story-${KIND}-${name}`, { widths_px: WIDTHS_PX });
const home = `/o/${SLUG}`;
const domainOf = async () => (await story.api.get(`/api/v1/organizations/${SLUG}/domains`)).items.find((d) => d.name === DOMAIN);

async function cell(row, side) {
  const matrix = await story.api.get(`/api/v1/organizations/${SLUG}/matrix`);
  const found = matrix.rows.find((one) => one.id === row && one.side === side);
  assert.ok(found, `${row} (${side}) stands in the matrix`);
  return found;
}

// Waits until `row` says `state`; says how long after `since_ms` that was.
async function turns(t, row, side, state, since_ms) {
  await until(`${row} (${side}) to be ${state}`, async () => (await cell(row, side)).state === state, { every_ms: 10 });
  const late_ms = Math.max(0, Math.round(performance.now() - since_ms));
  t.diagnostic(`${KIND}: ${row} (${side}) is ${state} ${late_ms} ms after the change was answered`);
  assert.ok(late_ms < MATRIX_MS_MAX, `${row} took ${late_ms} ms to say ${state}`);
}

// Presses a button that posts a form; gives the moment at which the server had answered.
async function press(page, name, path, { refused = false } = {}) {
  const answered = page.waitForResponse((r) => r.request().method() === "POST" && r.url().includes(path));
  await page.getByRole("button", { name, exact: true }).click();
  const response = await answered;
  const expected = refused ? [422] : [200, 202, 303];
  assert.ok(expected.includes(response.status()), `${response.status()} from ${response.url()}`);
  const at_ms = performance.now();
  await page.waitForLoadState();
  return at_ms;
}

// Waits until the scheduled check brought the domain into `state`; gives the moment it was seen.
async function domainTurns(state) {
  await until(`${DOMAIN} to be ${state}`, async () => (await domainOf()).state === state, { timeout_ms: 30_000, every_ms: 10 });
  return performance.now();
}

// Moves the clock so that the next check of the domain is due, and waits until it is over.
async function nextCheck(seconds) {
  const before = (await domainOf()).checked_at;
  await advance(story.server, seconds);
  return until("the check of the domain", async () => {
    const domain = await domainOf();
    return domain.checked_at !== before && domain;
  }, { timeout_ms: 30_000 });
}

test("an installation is set up by its one-time link", async () => {
  const { nora, server } = story;
  await assert.rejects(signUp(server, story.smtp, ADA), /503|not-set-up/, "nobody gets an account before the provider");
  await nora.goto(await setUpLink(server));
  await look(nora, "01-set-up");
  await nora.getByLabel("Name of the provider").fill("Northwind Cloud");
  await nora.getByLabel("Your name").fill(OWNER.name);
  await nora.getByLabel("Your work e-mail").fill(OWNER.email);
  await nora.getByLabel("Password").fill("short");
  await press(nora, "Set up", "/setup/", { refused: true });
  await nora.getByText("That did not work").waitFor();
  await look(nora, "02-set-up-refused");
  await nora.getByLabel("Password").fill(PASSWORD);
  await press(nora, "Set up", "/setup/");
  await nora.waitForURL((url) => url.pathname.startsWith("/provider"));
  await look(nora, "03-provider");
});

test("somebody signs up by the link in a mail and founds an organization", async () => {
  const { ada, server, smtp } = story;
  await ada.goto(`${server.url}/sign-up`);
  await look(ada, "04-sign-up");
  await ada.getByLabel("Work e-mail").fill(ADA.email);
  await press(ada, "Send the link", "/sign-up");
  await look(ada, "05-mail-sent");
  const mail = await smtp.next((m) => m.to.includes(ADA.email));
  const link = linkIn(mail, server, "/sign-up/");
  await ada.goto(link);
  await look(ada, "06-choose-a-password");
  await ada.getByLabel("Your name").fill(ADA.name);
  await ada.getByLabel("Password").fill(PASSWORD);
  await press(ada, "Make the account", "/sign-up/");
  assert.equal((await ada.request.get(link)).status(), 410, "the link works once");
  await ada.goto(`${server.url}/account`);
  await look(ada, "07-account");
  await ada.getByRole("link", { name: "New organization" }).first().click();
  await look(ada, "08-new-organization");
  await ada.getByLabel("Name", { exact: true }).fill("Harbor Logistics");
  await press(ada, "Create", "/organizations/new");
  await ada.waitForURL(`**${home}**`);
  await look(ada, "09-matrix-at-first");
  const token = await server.cli("token", "create", "--organization", SLUG, "--scopes", "responsibilities.read,domains.read,audit.read,people.read");
  story.api = apiOf(server, token.trim());
});

test("a domain in use without proof is a gap", async (t) => {
  const { server, smtp } = story;
  const people = Array.from({ length: ACCOUNTS - 1 }, (_, n) => ({ email: `person${n}@${DOMAIN}`, name: `Person ${n}` }));
  await forEachFew(people, 6, (person) => signUp(server, smtp, person));
  // They have accounts of their own; the organization knows none of them yet.
  const listed = await story.api.get(`/api/v1/organizations/${SLUG}/people`);
  assert.equal(listed.items.length, 1);
  t.diagnostic(`${people.length} people signed up`);
});

test("the TXT record proves the domain, and USR-C1 and USR-P3 are held within a second", async (t) => {
  const { ada, nora, dns, server } = story;
  await ada.goto(`${server.url}${home}/domains`);
  await look(ada, "10-domains-empty");
  await ada.goto(`${server.url}${home}/domains/new`);
  await ada.getByLabel("Domain", { exact: true }).fill(DOMAIN);
  await press(ada, "Add", "/domains/new");
  await look(ada, "11-domain-pending");
  const { record } = await domainOf();
  assert.equal(record.name, RECORD);

  await press(ada, "Check now", "/check");
  assert.equal((await domainOf()).state, "pending", "nothing is there yet");
  await look(ada, "12-domain-not-there");

  await dns.set(`*.${DOMAIN}`, "TXT", `"${record.value}"`);
  await press(ada, "Check now", "/check");
  assert.equal((await domainOf()).state, "pending", "a wildcard proves nothing");
  await dns.remove(`*.${DOMAIN}`, "TXT");

  await dns.set(RECORD, "TXT", `"${record.value}"`);
  const verified_ms = await press(ada, "Check now", "/check");
  await turns(t, "USR-C1", "customer", "held", verified_ms);
  assert.equal((await domainOf()).state, "verified");
  await look(ada, "13-domain-verified");

  await nora.goto(`${server.url}/provider/domains`);
  await press(nora, "Check now", "/provider/domains/recheck");
  const drilled_ms = await press(nora, "Run the drill", "/provider/domains/drill");
  await turns(t, "USR-P3", "provider", "held", drilled_ms);
  await nora.reload();
  await look(nora, "14-provider-domain-checks");
  await ada.goto(`${server.url}${home}`);
  await look(ada, "15-matrix-verified");
});

test(`${ACCOUNTS} accounts are claimed after a look at whom that touches; each gets a notice`, async (t) => {
  const { ada, server, smtp } = story;
  const { id } = await domainOf();
  await ada.goto(`${server.url}${home}/domains/${id}`);
  await ada.getByRole("link", { name: "Claim accounts…" }).click();
  await ada.getByText(`${ACCOUNTS} accounts would be managed by you`).waitFor();
  await look(ada, "16-claim-dry-run");
  await ada.getByLabel(`Type ${DOMAIN} to confirm`).fill(DOMAIN);
  await press(ada, "Claim all", "/claim");
  const claimed = await until("the claim to be done", async () => {
    const { items } = await story.api.get(`/api/v1/organizations/${SLUG}/claims`);
    return items[0]?.state === "done" && items[0];
  }, { timeout_ms: 30_000 });
  assert.equal(claimed.accounts.claimed, ACCOUNTS);
  const told = await until("a notice to everybody", () => {
    const notices = smtp.messages.filter((m) => /now manages your account/.test(m.headers.subject));
    return notices.length >= ACCOUNTS && notices;
  }, { timeout_ms: 60_000 });
  assert.equal(new Set(told.flatMap((m) => m.to)).size, ACCOUNTS);
  t.diagnostic(`${told.length} notices were delivered`);
  await ada.reload();
  await look(ada, "17-claim-done");
  await ada.goto(`${server.url}${home}/people`);
  await look(ada, "18-people");

  const person = await story.browser.page();
  await signIn(person, server, { email: `person7@${DOMAIN}` });
  await person.goto(`${server.url}/account`);
  await person.getByText("Harbor Logistics manages this account").waitFor();
  await look(person, "19-managed-account");
});

test("a server that fails, for days, never counts as a removed record", async () => {
  const { dns } = story;
  await dns.fail(DOMAIN);
  for (let day = 1; day <= 4; day += 1) {
    const domain = await nextCheck(DAY_S + HOUR_S);
    assert.equal(domain.state, "verified", `on day ${day}`);
    assert.equal(domain.misses, 0);
    assert.ok(domain.unanswered_since, "the silence is noted");
  }
  await dns.recover(DOMAIN);
  const domain = await nextCheck(DAY_S + HOUR_S);
  assert.equal(domain.unanswered_since, null);
  await until("USR-C1 to be held again", async () => (await cell("USR-C1", "customer")).state === "held");
});

test("the record is removed: at risk, suspended, lost, each with notices, and the cell turns", async (t) => {
  const { ada, dns, server, smtp } = story;
  const toAda = (subject) => smtp.next((m) => m.to.includes(ADA.email) && subject.test(m.headers.subject), { timeout_ms: 60_000 });
  await dns.remove(RECORD, "TXT");
  const doubted = await nextCheck(DAY_S + HOUR_S);
  assert.deepEqual([doubted.state, doubted.misses], ["verified", 1], "one miss changes nothing");

  await advance(server, 6 * HOUR_S + 60);
  await turns(t, "USR-C1", "customer", "gap", await domainTurns("at_risk"));
  await toAda(/The proof of harbor-logistics\.dev is gone/);
  await signIn(ada, server, ADA, `${home}/domains/${(await domainOf()).id}`);
  await look(ada, "20-domain-at-risk");

  await advance(server, 7 * DAY_S);
  await domainTurns("suspended");
  await toAda(/is suspended/);
  assert.equal((await cell("USR-C1", "customer")).state, "gap");

  await advance(server, 7 * DAY_S);
  await domainTurns("lost");
  await toAda(/is lost/);
  await until("USR-C1 to name the lost domain", async () => {
    const now = await cell("USR-C1", "customer");
    return now.state === "gap" && JSON.stringify(now).includes("not verified");
  });
  await signIn(ada, server, ADA, home);
  await look(ada, "21-matrix-after-the-loss");
  const { id } = await domainOf();
  await ada.goto(`${server.url}${home}/domains/${id}`);
  await look(ada, "22-domain-lost");
  await ada.goto(`${server.url}${home}/audit-log`);
  await look(ada, "23-audit-log");
});

test("what happened stands in a ledger that verifies without the server", async (t) => {
  const { server } = story;
  const file = `${server.folder}/ledger.jsonl`;
  await server.cli("audit", "export", "--organization", SLUG, "--to", file);
  const said = JSON.parse(execFileSync(BINARY, ["verify", file, "--json"], { encoding: "utf8" }));
  assert.ok(said.entries > ACCOUNTS, `${said.entries} entries`);
  t.diagnostic(`${said.entries} entries verified`);
});
