// PyPI's authlib signs in through the program, as a product written in Python does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { agree, CALLBACK, EMAIL, installation } from "./lib/person.mjs";

const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../.tools", import.meta.url));
const PYTHON = join(TOOLS, "venv/authlib/bin/python");

test("authlib signs in, checks the ID token, refreshes and revokes", async (t) => {
  const { server, visitor } = await installation(t);
  const words = ["--name", "Python", "--everyone", "true", "--redirect-uri", CALLBACK, "--json"];
  const made = await server.cli("product", "create", ...words);
  const script = fileURLToPath(new URL("authlib_client.py", import.meta.url));
  const client = spawn(PYTHON, [script, server.url, made.client_id, made.client_secret, CALLBACK], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => client.kill());
  const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
  const { value: address } = await lines.next();
  client.stdin.end(`${await agree(visitor, address)}\n`);
  const { value: said } = await lines.next();
  const learned = JSON.parse(said);
  assert.equal(learned.claims.iss, server.url);
  assert.equal(learned.userinfo.email, EMAIL);
  assert.deepEqual([learned.rotated, learned.revoked], [true, 200]);
});
