// The commands of the how-to pages are run as they are written, page by page, on one demo: each ends well. What a page
// calls ID is looked up as its reader would; a ```text block that a command names is the file of that name.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { BINARY, startBailiwick } from "./lib/server.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/how-to/", import.meta.url));

// Pages about a machine of one's own: another database, a proxy, two builds, a server that is stopped.
const ELSEWHERE = ["README.md", "check-a-build.md", "move-to-another-database.md", "rotate-keys.md", "run-behind-a-proxy.md", "run-on-postgresql.md"];

// What stands for something in a command: how it is found, as JSON.
const FOUND = {
  "--product-rule ID": ["access", "product-rules", "--organization", "harbor"],
  "bailiwick alert ": ["alert", "list", "--state", "live", "--severity", "critical"],
  "access approve ID": ["access", "requests", "--organization", "harbor", "--state", "waiting"],
  "job retry ID": ["job", "list"],
  "mail retry ID": ["mail", "list"],
  "review grants ID": ["review", "list", "--organization", "harbor"],
  "review revoke ID GRANT…": ["review", "list", "--organization", "harbor"],
  "review evidence ID": ["review", "list", "--organization", "harbor"],
  "people reset-factors ID": ["people", "list", "--organization", "harbor"],
};

// Commands that need what a test has not: the public DNS, another program, a finished review, somebody's factor, a failed job.
const NEEDS_MORE = [/\b(ticket reply|desk (answer|note|assign|severity|change|settings)|abuse-report answer|audit stream) /, /^bailiwick domain check /, /^bailiwick review (revoke|evidence) /, /reset-factors /, /^bailiwick (job|mail) retry /, /^bailiwick access approve /, /^curl /, /^oidc-/, /--key AUOC/];

function commands(text) {
  const blocks = [...text.matchAll(/^ *```console\n([\s\S]*?)^ *```$/gm)].map((block) => block[1]);
  return blocks.flatMap((block) =>
    block
      .replaceAll(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("$ "))
      .map((line) => line.slice(2)),
  );
}

// The first ```text block that follows the name of a file is that file.
function files(text) {
  return [...text.matchAll(/`([\w-]+\.(?:csv|txt))`[^`]*?```text\n([\s\S]*?)^```$/gm)].map(([, name, content]) => ({ name, content }));
}

test("every command of the how-to pages works on the demo", { timeout: 300_000 }, async (t) => {
  const server = await startBailiwick({ args: ["--demo"], env: { BAILIWICK_MAILBOX: "mail", BAILIWICK_RATE_LIMIT_PERCENT: "0" }, ready_ms: 180_000 });
  t.after(server.stop);
  const env = { ...process.env, PATH: `${dirname(BINARY)}:${process.env.PATH}`, BAILIWICK_DATA: server.data };
  const shell = (command) =>
    new Promise((resolve) => {
      execFile("bash", ["-c", command], { cwd: server.folder, env }, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
    });
  const filled = async (command) => {
    const key = Object.keys(FOUND).find((part) => command.includes(part));
    if (!key || !/\bID\b/.test(command)) return command;
    const found = await server.cli(...FOUND[key], "--json");
    assert.ok(found.length > 0, `\`${FOUND[key].join(" ")}\` finds nothing on the demo`);
    return command.replace(/\bID\b/, found[0].id);
  };
  // As the page says: the demo's own roll-out is in the way.
  for (const one of await server.cli("policy", "roll-outs", "--organization", "harbor", "--json")) {
    if (one.state === "running") await server.cli("policy", "cancel-roll-out", one.id, "--organization", "harbor");
  }
  let ran = 0;
  for (const page of readdirSync(FOLDER).filter((name) => name.endsWith(".md") && !ELSEWHERE.includes(name))) {
    const text = readFileSync(join(FOLDER, page), "utf8");
    for (const { name, content } of files(text)) writeFileSync(join(server.folder, name), content);
    for (const command of commands(text)) {
      if (NEEDS_MORE.some((pattern) => pattern.test(command))) continue;
      const said = await shell(await filled(command));
      assert.equal(said.code, 0, `${page}: \`${command}\` ends with ${said.code}: ${said.stderr}${said.stdout}`);
      ran += 1;
    }
  }
  t.diagnostic(`${ran} commands`);
  assert.ok(ran > 15, `only ${ran} commands were found`);
});
