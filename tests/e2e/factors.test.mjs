// Factors in a real browser: an authenticator app and recovery codes typed by hand, a passkey with Chromium's virtual
// authenticator, signing in with it alone, and confirming before an act that changes credentials.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { startSmtp } from "../kit/smtp.mjs";
import { inspect, openBrowser } from "./lib/browser.mjs";
import { openDatabase } from "./lib/database.mjs";
import { PASSWORD, advance, setUpLink, signUp, Visitor } from "./lib/people.mjs";
import { startBailiwick } from "./lib/server.mjs";

const ADA = { email: "ada.lindqvist@harbor-logistics.dev", name: "Ada Lindqvist" };
const WIDTHS_PX = [390, 1280];
const story = {};

test.before(async () => {
  story.smtp = await startSmtp();
  story.database = await openDatabase();
  story.server = await startBailiwick({
    args: ["--test-clock"],
    env: { ...story.database.env, BAILIWICK_SMTP_URL: `smtp://127.0.0.1:${story.smtp.port}`, BAILIWICK_RATE_LIMIT_PERCENT: "0" },
  });
  const nora = new Visitor(story.server);
  await nora.submit(new URL(await setUpLink(story.server)).pathname, {
    provider: "Northwind Cloud", name: "Nora Winter", email: "nora.winter@northwind.dev", password: PASSWORD,
  });
  await signUp(story.server, story.smtp, ADA);
  story.browser = await openBrowser();
  story.page = await story.browser.page();
  story.clock_s = await serverTime();
});

test.after(async () => {
  const ends = [() => story.browser?.stop(), () => story.server?.stop(), () => story.database?.stop(), () => story.smtp?.stop()];
  const failed = [];
  for (const end of ends) await end()?.catch?.((error) => failed.push(error));
  if (failed.length > 0) throw failed[0];
});

const look = (name) => inspect(story.page, `factors-${name}`, { widths_px: WIDTHS_PX });

// The server's clock stands still but for `advance`.
// Until the page of this path is shown; an address that only names it as where to go next does not count.
function arrive(page, path) {
  return page.waitForURL((url) => url.pathname === path);
}

async function serverTime() {
  const response = await fetch(`${story.server.url}/test/clock/advance?seconds=0`, { method: "POST" });
  const { now } = await response.json();
  return Math.floor(Date.parse(now) / 1000);
}

// RFC 6238 in ten lines: what the app on a phone shows.
function appShows(secret, at_s) {
  const bits = [...secret.replace(/\s/g, "")].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at_s / 30)));
  const tag = createHmac("sha1", key).update(counter).digest();
  const word = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, "0");
}

async function password() {
  const { page, server } = story;
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in?next=/account`);
  await page.getByLabel("E-mail").fill(ADA.email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

test("an authenticator app is set up by its QR code and first code", async () => {
  const { page } = story;
  await password();
  await arrive(page, "/account");
  await page.getByText("rests on a password alone").waitFor();
  await look("01-account-nudge");
  await page.getByRole("link", { name: "Factors" }).first().click();
  await look("02-none");
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  await arrive(page, "/account/factors/totp");
  await page.getByRole("img", { name: /QR code/ }).waitFor();
  await look("03-app");
  story.secret = await page.locator(".copy code").textContent();
  await page.getByLabel("Code that the app shows").fill("000000");
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("That did not work").waitFor();
  await page.getByLabel("Code that the app shows").fill(appShows(story.secret, story.clock_s));
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await look("04-recovery-codes");
  story.codes = (await page.locator(".copy code").textContent()).trim().split(/\s+/);
  assert.equal(story.codes.length, 10);
  await page.getByRole("link", { name: "I kept them" }).click();
  await page.getByText("10 of 10 are left").waitFor();
});

test("the password leads to a second step that a code ends", async () => {
  const { page, server } = story;
  await advance(server, 60);
  story.clock_s += 60;
  await password();
  await arrive(page, "/sign-in/second-step");
  await look("05-second-step");
  await page.getByLabel("Code of your authenticator app").fill("000000");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("alert").getByText("does not fit").waitFor();
  await look("06-second-step-wrong");
  await page.getByLabel("Code of your authenticator app").fill(appShows(story.secret, story.clock_s));
  await page.getByRole("button", { name: "Go on" }).click();
  await arrive(page, "/account");
});

test("a recovery code stands in once", async () => {
  const { page } = story;
  await password();
  await arrive(page, "/sign-in/second-step");
  await page.getByText("Use a recovery code").click();
  await page.getByLabel("Recovery code").fill(story.codes[0]);
  await page.getByRole("button", { name: "Use the code" }).click();
  await arrive(page, "/account");
  const mail = await story.smtp.next((m) => m.to.includes(ADA.email) && /recovery code/i.test(m.headers.subject));
  assert.match(mail.text, /9 are left/);
});

test("a passkey is added and signs in alone", async () => {
  const { page, server } = story;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  await page.goto(`${server.url}/account/factors`);
  await page.getByLabel("Name of a new passkey").fill("Work laptop");
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByText("The passkey was added").waitFor();
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId });
  assert.equal(credentials.length, 1);
  assert.equal(credentials[0].rpId, "localhost");
  assert.ok(credentials[0].isResidentCredential);
  await look("07-enrolled");

  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in?next=/account/factors`);
  await look("08-sign-in");
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await arrive(page, "/account/factors");
  await page.getByRole("row", { name: /Work laptop/ }).waitFor();

  // As the second step after a password, too.
  await password();
  await arrive(page, "/sign-in/second-step");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await arrive(page, "/account");

  // An authenticator that cannot tell who is there is refused by the browser or by us.
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.getByRole("alert").filter({ hasText: "Nothing was done" }).waitFor();
  await cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
});

test("an old session confirms before it changes factors", async () => {
  const { page, server } = story;
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in?next=/account/factors`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await arrive(page, "/account/factors");
  await advance(server, 2 * 3600);
  story.clock_s += 2 * 3600;
  await page.getByRole("button", { name: "Make new recovery codes" }).click();
  await arrive(page, "/confirm");
  await look("09-confirm");
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await arrive(page, "/account/factors");
  await page.getByRole("button", { name: "Make new recovery codes" }).click();
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await page.getByRole("link", { name: "I kept them" }).click();
  await page.getByRole("row", { name: /Work laptop/ }).waitFor();
  await page.getByRole("row", { name: /Work laptop/ }).getByRole("button", { name: "Remove" }).click();
  await page.getByText("The passkey was removed").waitFor();
});

test("without scripts the second step works with a code", async () => {
  const { server } = story;
  await advance(server, 60);
  story.clock_s += 60;
  const plain = await story.browser.page({ scripts: false });
  await plain.goto(`${server.url}/sign-in?next=/account`);
  await plain.getByLabel("E-mail").fill(ADA.email);
  await plain.getByLabel("Password").fill(PASSWORD);
  await plain.getByRole("button", { name: "Sign in", exact: true }).click();
  assert.equal(await plain.getByRole("button", { name: /passkey/ }).count(), 0);
  await plain.getByLabel("Code of your authenticator app").fill(appShows(story.secret, story.clock_s));
  await plain.getByRole("button", { name: "Go on" }).click();
  await arrive(plain, "/account");
});

test("an admin sees who is missing", async () => {
  const { server } = story;
  const page = await story.browser.page();
  await page.goto(`${server.url}/sign-in?next=/o/northwind-cloud/enrolment`);
  await page.getByLabel("E-mail").fill("nora.winter@northwind.dev");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("You manage no account yet").waitFor();
  await inspect(page, "factors-10-enrolment", { widths_px: WIDTHS_PX });
});
