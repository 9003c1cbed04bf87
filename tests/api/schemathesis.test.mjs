// Requests made up from /openapi.json, right and wrong ones (schemathesis): every answer is one the file
// promises, no answer is a 5xx, nothing opens without a token. One subtest for each operation, so that the
// report names it; BAILIWICK_API_EXAMPLES changes how many requests each gets from the fuzzing phase.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { startBailiwick } from "../e2e/lib/server.mjs";

const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../.tools", import.meta.url));
const SCHEMATHESIS = join(TOOLS, "venv/schemathesis/bin/schemathesis");
const EXAMPLES = process.env.BAILIWICK_API_EXAMPLES ?? "20";
// The same requests every time: a failure found once is found again.
const SEED = "20260423";

// A request can fit its schema and still break a rule that no schema says (the name is taken, one field's
// range hangs on another): a 400, 412 or 422 that says so is right. What does not fit is never accepted.
const CHECKS = 'positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "422", "429"]';

const OWN = [
  "responsibilities.read,responsibilities.manage,people.read,people.manage,domains.read,domains.manage",
  "policies.read,policies.manage,contacts.read,contacts.manage,audit.read,audit.manage,support.read,support.manage,tokens.read,tokens.manage",
  "organization.read,organization.manage",
].join(",");
const PROVIDER = `${OWN},provider.read,provider.manage`;

async function token(server, organization, scopes) {
  const made = await server.cli("token", "create", "--organization", organization, "--scopes", scopes, "--expires", "1d", "--json");
  // A token that does not work would make every answer a 401, and the test green.
  const headers = { Authorization: `Bearer ${made.secret}` };
  const own = await fetch(`${server.url}/api/v1/organizations/${organization}`, { headers });
  assert.equal(own.status, 200, await own.text());
  return made.secret;
}

// Runs schemathesis, on the operations whose path `except` does not fit; resolves to its output and the cases of its
// JUnit report.
function attack(server, name, bearer, parameters, { except, phases } = {}) {
  const config = join(server.folder, `${name}.toml`);
  const report = join(server.folder, `${name}.xml`);
  const fixed = Object.entries(parameters).map(([key, value]) => `"path.${key}" = ${JSON.stringify(value)}\n`);
  writeFileSync(config, `[parameters]\n${fixed.join("")}\n[checks]\n${CHECKS}\n`);
  const args = [
    ["--config-file", config, "--no-color", "run", `${server.url}/openapi.json`, "--url", server.url],
    ["--header", `Authorization: Bearer ${bearer}`, "--max-examples", EXAMPLES, "--seed", SEED],
    ["--generation-database", "none", "--workers", "1", "--request-timeout", "10", "--continue-on-failure"],
    ["--report", "junit", "--report-junit-path", report],
    except ? ["--exclude-path-regex", except.source] : [],
    phases ? ["--phases", phases] : [],
  ].flat();
  return new Promise((resolve, reject) => {
    const options = { cwd: server.folder, maxBuffer: 64 * 1024 * 1024 };
    execFile(SCHEMATHESIS, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== "number") return reject(error);
      const output = `${stdout}\n${stderr}`;
      try {
        resolve({ output, code: error?.code ?? 0, cases: cases(readFileSync(report, "utf8")) });
      } catch (missing) {
        reject(new Error(`schemathesis left no report (${missing.message}):\n${output}`));
      }
    });
  });
}

function cases(xml) {
  const plain = (text) =>
    text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#10;", "\n").replaceAll("&amp;", "&");
  return [...xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, name, body = ""]) => ({
    name: plain(name),
    trouble: [...body.matchAll(/<(?:failure|error)[^>]*>([\s\S]*?)<\/(?:failure|error)>/g)].map(([, text]) => plain(text)).join("\n"),
  }));
}

async function judge(t, server, run, { except } = {}) {
  for (const { name, trouble } of run.cases) {
    await t.test(name, () => assert.ok(!trouble, trouble));
  }
  const { paths } = await (await fetch(`${server.url}/openapi.json`)).json();
  const tried = Object.entries(paths).filter(([path]) => !except?.test(path));
  const promised = tried.flatMap(([, path]) => Object.keys(path)).length;
  assert.ok(promised > 0, "openapi.json promises nothing");
  // Beside one case for each operation the report has one for the chains of operations.
  const operations = run.cases.filter(({ name }) => name !== "Stateful tests");
  assert.equal(operations.length, promised, "every operation was tried");
  assert.equal(run.code, 0, run.output);
}

// Each run has a server of its own: what one breaks or closes is not missing in the next.
async function startServer(t) {
  const env = { BAILIWICK_RATE_LIMIT_PERCENT: "0", BAILIWICK_PASSWORD_MEMORY_KIB: "8192", BAILIWICK_MAILBOX: "mail" };
  const server = await startBailiwick({ args: ["--demo"], env, ready_ms: 180_000 });
  t.after(server.stop);
  const organizations = await server.cli("organization", "list", "--json");
  const customer = organizations.find((o) => o.kind !== "provider");
  const provider = organizations.find((o) => o.kind === "provider");
  assert.ok(customer && provider, JSON.stringify(organizations));
  return { server, customer: customer.slug, provider: provider.slug };
}

test("an organization's administrator", async (t) => {
  const { server, customer } = await startServer(t);
  const bearer = await token(server, customer, OWN);
  // The provider's are the next test's: here each of them is the same 403, however it is asked.
  const part = { except: /^\/api\/v1\/provider\// };
  await judge(t, server, await attack(server, "administrator", bearer, { organization: customer, slug: customer }, part), part);
});

test("the provider's administrator", async (t) => {
  const { server, customer, provider } = await startServer(t);
  const bearer = await token(server, provider, PROVIDER);
  await judge(t, server, await attack(server, "provider", bearer, { organization: provider, slug: customer }));
});

test("somebody who guesses every name", async (t) => {
  const { server, customer } = await startServer(t);
  const bearer = await token(server, customer, OWN);
  // Whatever else is right or wrong in a request, the name is unknown: requests made at random will do.
  await judge(t, server, await attack(server, "guesser", bearer, {}, { phases: "fuzzing" }));
});
