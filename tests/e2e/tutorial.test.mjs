// The tutorial is followed as it is written: its `$ ` commands are run and print what it shows (`…` stands for
// anything), and in between a reader does in a browser what the text says, by the names that the text uses.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import test from "node:test";
import { until } from "../kit/process.mjs";
import { openBrowser } from "./lib/browser.mjs";
import { PASSWORD, setUpLink } from "./lib/people.mjs";
import { BINARY, startBailiwick } from "./lib/server.mjs";

const PAGE = new URL("../../docs/tutorial/first-green-row.md", import.meta.url);
// What the page says, and what it is in a test that shares the machine with others.
const ADDRESS = "http://localhost:8480";
const FOLDER = "data/empty";

// [{ command, expected }] of every ```console block.
function commands(text) {
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map((block) => block[1]);
  return blocks.flatMap((block) =>
    block.split(/^\$ /m).slice(1).map((part) => {
      const [command, ...lines] = part.trimEnd().split("\n");
      return { command, expected: lines };
    }),
  );
}

// Lines as a pattern: `…` alone stands for any lines, inside a line for anything.
function pattern(lines) {
  const quoted = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const one = (line) => (line === "…" ? "(?:.*\\n)*" : `${line.split("…").map((part) => quoted(part).replaceAll(/ +/g, " +")).join(".*")}\\n`);
  return new RegExp(`^${lines.map(one).join("")}$`);
}

test("every command of the tutorial prints what the page shows, and the row is green at the end", async (t) => {
  const steps = commands(readFileSync(PAGE, "utf8"));
  const server = await startBailiwick({ env: { BAILIWICK_MAILBOX: "data/mail", BAILIWICK_RATE_LIMIT_PERCENT: "0" } });
  t.after(server.stop);
  const browser = await openBrowser();
  t.after(browser.stop);
  const here = (text) => text.replaceAll(ADDRESS, server.url).replaceAll(FOLDER, "data");

  const shell = (command) =>
    new Promise((resolve) => {
      const env = { ...process.env, PATH: `${dirname(BINARY)}:${process.env.PATH}`, BAILIWICK_PUBLIC_URL: server.url };
      execFile("bash", ["-c", command], { cwd: server.folder, env }, (error, stdout, stderr) => {
        resolve({ failed: error?.code, text: stderr + stdout });
      });
    });
  const follow = async ({ command, expected }) => {
    const wanted = pattern(expected.map(here));
    const right = (said) => said.failed === undefined && wanted.test(said.text);
    let said = await shell(here(command));
    // What follows from a change (a cell, a mail) shows a moment after it; the reader is slower than this test.
    if (/^(bailiwick matrix|grep) /.test(command)) {
      await until(command, async () => right((said = await shell(here(command))))).catch(() => undefined);
    }
    assert.ok(right(said), `\`${command}\` should print\n${expected.join("\n")}\nbut prints\n${said.text}`);
    t.diagnostic(command);
    return said.text;
  };

  const [run, ...rest] = steps;
  assert.match(run.command, /\.\/run --empty$/);
  await until("the lines that the start prints", () => pattern(["…", ...run.expected.map(here), "…"]).test(server.output()));
  const nora = await browser.page();
  await setUp(nora, server);

  const ada = await browser.page();
  for (const step of rest) {
    if (step.command.startsWith("grep")) await nameContacts(ada);
    const said = await follow(step);
    if (step.command.includes("sign-in-link")) await signInByLink(ada, server, said);
    if (step.command.startsWith("grep")) await confirm(browser, said);
  }
});

async function setUp(page, server) {
  await page.goto(await setUpLink(server));
  await page.getByLabel("Name of the provider").fill("Northwind Cloud");
  await page.getByLabel("Your name").fill("Nora Winter");
  await page.getByLabel("Your work e-mail").fill("nora@northwind.dev");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Set up" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/provider"));
}

async function signInByLink(page, server, said) {
  await page.goto(said.match(new RegExp(`${server.url}/sign-in/link/\\S+`))[0]);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/o/harbor-logistics"));
}

async function nameContacts(page) {
  const contacts = [
    { name: "Ada Lindqvist", email: "ada@harbor-logistics.dev", role: "Security", primary: true },
    { name: "Ben Okafor", email: "ben@harbor-logistics.dev", role: "Privacy", primary: false },
  ];
  await page.getByRole("link", { name: "Breach contacts" }).first().click();
  for (const contact of contacts) {
    await page.getByRole("link", { name: "Add a contact…" }).click();
    await page.getByLabel("Name", { exact: true }).fill(contact.name);
    await page.getByLabel("E-mail").fill(contact.email);
    await page.getByLabel("Answers for").selectOption({ label: contact.role });
    await page.getByLabel("Primary contact").setChecked(contact.primary);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("rowheader", { name: contact.name }).waitFor();
  }
  await page.getByRole("group", { name: "Rules" }).getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Save the rules" }).click();
  await page.getByText("Your choice of rules is saved").waitFor();
}

async function confirm(browser, said) {
  for (const link of said.trim().split("\n")) {
    const page = await browser.page();
    await page.goto(link);
    await page.getByRole("button", { name: "Yes, write to me" }).click();
    await page.getByRole("heading", { name: "Confirmed" }).waitFor();
  }
}
