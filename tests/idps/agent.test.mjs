// Debian's oidc-agent gets its tokens on a terminal, by the device flow, and keeps them across its own restart.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { start, temporaryFolder } from "../kit/process.mjs";
import { EMAIL, installation } from "../openid/lib/person.mjs";

const run = promisify(execFile);

test("oidc-agent signs in on a device, refreshes after a restart, and is told when it is over", async (t) => {
  const { server, visitor } = await installation(t, { BAILIWICK_RATE_LIMIT_PERCENT: "0" });
  const words = ["--authentication", "none", "--grant-types", "device_code,refresh_token", "--everyone", "true"];
  const made = await server.cli("product", "create", "--name", "Terminal", "--scopes", "openid,email,offline_access", ...words, "--json");
  const folder = temporaryFolder("oidc-agent");
  t.after(folder.stop);
  const socket = join(folder.path, "agent");
  const env = { ...process.env, HOME: folder.path, OIDC_CONFIG_DIR: folder.path, OIDC_SOCK: socket, OIDC_ENCRYPTION_PW: "only for this test" };
  let agent;
  const begin = async () => {
    // One that was stopped leaves its socket behind, where nobody listens any more.
    rmSync(socket, { force: true });
    agent = start("oidc-agent", ["--console", "--no-autoload", "--no-autoreauthenticate", "--socket-path", socket], { env });
    await agent.ready("the agent", () => existsSync(socket));
  };
  await begin();
  t.after(() => agent.stop());
  const token = async (...more) => (await run("oidc-token", [...more, "harbor"], { env })).stdout.trim();
  const who = (bearer) => fetch(`${server.url}/oauth/userinfo`, { headers: { authorization: `Bearer ${bearer}` } });

  await t.test("a person allows it at the address that the terminal shows", async () => {
    const asked = ["--client-id", made.client_id, "--client-secret", "", "--iss", server.url, "--scope", "openid email offline_access"];
    const quiet = ["--flow", "device", "--prompt", "none", "--confirm-yes", "--pw-env", "--manual"];
    const gen = start("oidc-gen", [...asked, ...quiet, "harbor"], { env });
    t.after(() => gen.stop());
    const code = await gen.ready("a code on the terminal", () => gen.output.match(/\b[B-Z]{4}-[B-Z]{4}\b/)?.[0], { timeout_ms: 20_000 });
    assert.ok(gen.output.includes(`${server.url}/oauth/device`), gen.output);
    await visitor.submit("/oauth/device", { user_code: code, decision: "allow" });
    await gen.ready("its end", () => gen.ended, { timeout_ms: 40_000 }).catch((error) => assert.match(String(error), /exit code 0/));
    assert.equal(gen.ended, "exit code 0", gen.output);
  });

  let first;
  await t.test("its token tells who it is", async () => {
    first = await token();
    assert.equal((await (await who(first)).json()).email, EMAIL);
  });

  await t.test("it refreshes, and so it does after its restart", async () => {
    const second = await token("--force-new");
    assert.notEqual(second, first);
    await agent.stop();
    await begin();
    await run("oidc-add", ["--pw-env", "harbor"], { env });
    const third = await token("--force-new");
    assert.notEqual(third, second);
    assert.equal((await who(third)).status, 200);
  });

  await t.test("a disabled product gives it nothing more", async () => {
    await server.cli("product", "disable", made.client_id);
    await assert.rejects(token("--force-new"), /invalid_client|invalid_grant|unauthorized/i);
  });
});
