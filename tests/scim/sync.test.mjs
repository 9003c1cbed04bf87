// A large directory is synchronized: made, stopped in the middle (both sides: the script ends, the server is killed), gone
// on with, changed, and compared in full. SCIM_PEOPLE=100000 SCIM_GROUPS=5000 ./test scim does it at full size.
import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { startBailiwick } from "../e2e/lib/server.mjs";
import { compare, directory, provision } from "./entra.mjs";

const PEOPLE = Number(process.env.SCIM_PEOPLE ?? 2_000);
const GROUPS = Number(process.env.SCIM_GROUPS ?? Math.ceil(PEOPLE / 20));

test(`${PEOPLE} people and ${GROUPS} groups come as from Entra ID, without drift`, { timeout: 3_600_000 }, async (t) => {
  const server = await startBailiwick({ args: ["--demo"], env: { BAILIWICK_RATE_LIMIT_PERCENT: "0" }, ready_ms: 180_000 });
  t.after(server.stop);
  await server.cli("directory", "create", "Large", "--organization", "harbor");
  const { url, token } = await server.cli("scim-token", "create", "--directory", "Large", "--organization", "harbor", "--json");
  const wanted = directory({ people: PEOPLE, groups: GROUPS, domain: "harbor.example" });
  const state = join(server.folder, "entra.json");
  const began = Date.now();
  const seconds = () => ((Date.now() - began) / 1000).toFixed(0);
  const told = [];
  const onProgress = (done, total) => {
    told.push(done);
    t.diagnostic(`${done} of ${total} after ${seconds()} s`);
  };

  // The script is stopped by its own side after a third, then the server is killed while it writes.
  let stopped = false;
  const third = (done, total) => {
    onProgress(done, total);
    stopped = done > total / 3;
  };
  await provision({ url, token, wanted, state, onProgress: third, stop: () => stopped });
  assert.ok(stopped, "it was stopped before its end");
  let killed;
  const half = (done, total) => {
    onProgress(done, total);
    if (!killed && done > total / 2) killed = server.kill();
  };
  await assert.rejects(provision({ url, token, wanted, state, onProgress: half }), "the server was killed");
  await killed;
  await server.start();

  const { sent, ids } = await provision({ url, token, wanted, state, onProgress });
  t.diagnostic(`filled after ${seconds()} s; the last cycle: ${JSON.stringify(sent)}`);
  assert.ok(told.length >= 20, "progress was told");
  assert.deepEqual((await compare({ url, token, wanted, ids })).slice(0, 5), []);

  // An incremental cycle: names, departments, leavers, moves between groups.
  for (const [n, one] of wanted.people.entries()) {
    if (n % 50 === 0) one.displayName = `Renamed ${n}`;
    if (n % 70 === 0) one.department = "Moved";
    if (n % 100 === 0) one.active = false;
  }
  for (const [n, one] of wanted.groups.entries()) if (n % 10 === 0) one.members = [...one.members.slice(3), (n * 13 + 5) % PEOPLE].filter((m, at, list) => list.indexOf(m) === at);
  const second = await provision({ url, token, wanted, state });
  t.diagnostic(`changed after ${seconds()} s: ${JSON.stringify(second.sent)}`);
  assert.equal(second.sent.made, 0, "nobody is made twice");
  assert.deepEqual((await compare({ url, token, wanted, ids: second.ids })).slice(0, 5), []);
  t.diagnostic(`compared in full after ${seconds()} s`);
  const again = await provision({ url, token, wanted, state });
  assert.deepEqual(again.sent, { looked: 0, made: 0, changed: 0, patches: 0 }, "a cycle without changes sends nothing");
});
