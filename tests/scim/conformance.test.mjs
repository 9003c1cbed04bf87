// Two public conformance testers against the running program, on tokens made by its command line: scim2-tester checks
// the standard attribute by attribute, scim-sanity the life of a record as strictly as it can. Neither knows this
// program, and neither's domains are verified here.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { startBailiwick } from "../e2e/lib/server.mjs";

const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../.tools", import.meta.url));
const tool = (name) => join(TOOLS, "venv/scim/bin", name);

// How many checks each makes; fewer would mean that a part of what is served was not found.
const TESTER_CHECKS_MIN = 135;
const SANITY_CHECKS_MIN = 28;

function run(command, args) {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 64 * 1024 * 1024, env: { ...process.env, NO_COLOR: "1" } }, (error, stdout, stderr) => {
      if (error && typeof error.code !== "number") return reject(error);
      resolve({ code: error?.code ?? 0, output: `${stdout}\n${stderr}` });
    });
  });
}

test("SCIM conformance", async (t) => {
  const server = await startBailiwick({ args: ["--demo"], env: { BAILIWICK_RATE_LIMIT_PERCENT: "0" }, ready_ms: 180_000 });
  t.after(() => server.stop());
  const [{ slug }] = (await server.cli("organization", "list", "--json")).filter((one) => one.kind === "customer");
  const issued = await server.cli("scim-token", "create", "--organization", slug, "--json");
  assert.deepEqual(Object.keys(issued).sort(), ["token", "url"]);
  assert.ok(issued.url.startsWith(`${server.url}/scim/v2/`), issued.url);

  await t.test("scim2-tester", async () => {
    const { output } = await run(tool("scim2"), ["--url", issued.url, "-h", `Authorization: Bearer ${issued.token}`, "test"]);
    const lines = output.split("\n");
    const success = lines.filter((line) => line.startsWith("SUCCESS")).length;
    const others = lines.filter((line) => /^(ERROR|CRITICAL|SKIPPED|COMPLIANT|DEVIATION|ACCEPTABLE|FAIL)/.test(line));
    console.log(`# scim2-tester: ${success} of ${success + others.length} checks`);
    assert.deepEqual(others, [], output);
    assert.ok(success >= TESTER_CHECKS_MIN, `${success} checks:\n${output}`);
  });

  await t.test("scim-sanity, strict", async () => {
    const args = ["probe", issued.url, "--token", issued.token, "--i-accept-side-effects", "--strict", "--json-output"];
    const { code, output } = await run(tool("scim-sanity"), args);
    assert.equal(code, 0, output);
    const start = output.indexOf("{");
    const report = JSON.parse(output.slice(start, output.lastIndexOf("}") + 1));
    const { passed, failed, warnings, errors } = { failed: 0, warnings: 0, errors: 0, ...report.summary };
    console.log(`# scim-sanity: ${passed} passed, ${failed} failed`);
    assert.deepEqual({ failed, warnings, errors }, { failed: 0, warnings: 0, errors: 0 }, output);
    assert.ok(passed >= SANITY_CHECKS_MIN, output);
  });

  await t.test("the log knows the testers' requests", async () => {
    const [directory] = await server.cli("directory", "list", "--organization", slug, "--json");
    const requests = await server.cli("directory", "requests", directory.id, "--organization", slug, "--json");
    assert.ok(requests.length >= 50, `${requests.length} requests`);
    assert.ok(!JSON.stringify(requests).includes("@"), "no address in the log");
  });
});
