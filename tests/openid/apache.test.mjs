// Debian's mod_auth_openidc signs people in through the program, in front of a site that knows nothing of OpenID.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PASSWORD } from "../e2e/lib/people.mjs";
import { until } from "../kit/process.mjs";
import { apacheAddresses, startApache } from "./lib/apache.mjs";
import { Browser } from "./lib/browser.mjs";
import { EMAIL, installation, theProvider, visit } from "./lib/person.mjs";

const SCOPES = "openid,profile,email,roles,groups,offline_access";
const ENV = { BAILIWICK_OUTBOUND_ALLOW_LOOPBACK: "true", BAILIWICK_RATE_LIMIT_PERCENT: "0" };

// Registers a product at these addresses.
async function product(server, at, ...words) {
  const addresses = ["--redirect-uri", at.redirect, "--logout-uri", at.after, "--backchannel-logout-uri", at.backchannel];
  const more = ["--name", "Harbor site", "--scopes", SCOPES, "--asks-consent", "false", "--json"];
  return server.cli("product", "create", ...addresses, ...more, ...words);
}

function settings(server, made) {
  return [
    `OIDCProviderMetadataURL ${server.url}/.well-known/openid-configuration`,
    `OIDCClientID ${made.client_id}`,
    `OIDCScope "${SCOPES.replaceAll(",", " ")}"`,
    "OIDCPKCEMethod S256",
  ];
}

test("mod_auth_openidc signs in, refreshes, asks for roles and groups, and signs out both ways", async (t) => {
  const { server, visitor } = await installation(t, ENV);
  const { slug, people } = await theProvider(server);
  const crew = await people.group("Deck crew");
  await people.join(crew, EMAIL);
  const at = await apacheAddresses();
  const made = await product(server, at);
  await server.cli("product", "allow", made.client_id, "--organization", slug, "--role", "reader");
  await server.cli("product", "allow", made.client_id, "--organization", slug, "--group", "Deck crew", "--role", "editor");
  const site = await startApache(at, {
    settings: [...settings(server, made), `OIDCClientSecret ${made.client_secret}`],
    rules: {
      editors: "claim roles:editor",
      crew: `claim "groups:${slug}/Deck crew"`,
      captains: "claim roles:captain",
    },
  });
  t.after(site.stop);
  const browser = new Browser();
  const told = async () => (await browser.fetch(`${site.redirect}?info=json`)).json();
  const open = (place) => visit(browser, visitor, `${site.url}/${place}/`);

  await t.test("with code and PKCE", async () => {
    const asked = await new Browser().fetch(`${site.url}/inside/`);
    const query = new URL(asked.headers.get("location")).searchParams;
    assert.deepEqual([query.get("response_type"), query.get("code_challenge_method")], ["code", "S256"]);
    const page = await open("inside");
    assert.deepEqual([page.status, page.text], [200, "inside\n"], site.output());
    assert.equal(page.headers.get("x-mail"), EMAIL);
    assert.deepEqual(page.headers.get("x-roles").split(",").sort(), ["editor", "reader"]);
    assert.equal(page.headers.get("x-groups"), `${slug}/Deck crew`);
  });

  await t.test("what a place requires of roles and groups is asked of the claims", async () => {
    assert.deepEqual([(await open("editors")).status, (await open("crew")).status], [200, 200]);
    assert.equal((await open("captains")).status, 403);
  });

  await t.test("refreshes, and each refresh token counts once", async () => {
    const before = await told();
    assert.ok(before.refresh_token);
    const refresh = new URL(site.redirect);
    refresh.searchParams.set("refresh", `${site.url}/inside/`);
    refresh.searchParams.set("access_token", before.access_token);
    const back = await browser.fetch(refresh);
    assert.equal(back.headers.get("location"), `${site.url}/inside/`, site.output());
    const after = await told();
    assert.notEqual(after.access_token, before.access_token);
    assert.notEqual(after.refresh_token, before.refresh_token);
  });

  await t.test("a left group is gone at the next sign-in, and its role with it", async () => {
    await people.leave(crew, EMAIL);
    const again = new Browser();
    const page = await visit(again, visitor, `${site.url}/editors/`);
    assert.equal(page.status, 403);
    const inside = await visit(again, visitor, `${site.url}/inside/`);
    assert.deepEqual([inside.status, inside.headers.get("x-roles")], [200, "reader"]);
  });

  await t.test("signing out at the site signs out here", async () => {
    const out = await visit(browser, visitor, `${site.redirect}?logout=${encodeURIComponent(site.after)}`);
    assert.deepEqual([out.status, new URL(out.at).pathname], [200, "/bye/"], out.text);
    assert.equal((await visitor.fetch("/account")).status, 303);
    assert.equal((await browser.fetch(`${site.url}/inside/`)).status, 302);
  });

  await t.test("signing out here signs out at the site", async () => {
    await visitor.submit("/sign-in", { email: EMAIL, password: PASSWORD });
    assert.equal((await open("inside")).status, 200);
    const account = await (await visitor.fetch("/account")).text();
    const csrf = account.match(/name="csrf" value="([^"]+)"/)[1];
    await visitor.fetch("/sign-out", { method: "POST", body: new URLSearchParams({ csrf }) });
    await until("the sign-out at the site", async () => (await browser.fetch(`${site.url}/inside/`)).status === 302);
  });
});

test("mod_auth_openidc proves itself by a key of its own and believes RS256", async (t) => {
  const { server, visitor } = await installation(t, ENV);
  const key = join(server.folder, "site.key");
  const certificate = join(server.folder, "site.crt");
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=site", "-days", "30", "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const jwks = join(server.folder, "site.jwks");
  const jwk = createPublicKey(readFileSync(certificate)).export({ format: "jwk" });
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...jwk, kid: "site", use: "sig", alg: "RS256" }] }));
  const at = await apacheAddresses();
  const words = ["--authentication", "private_key_jwt", "--jwks", jwks, "--id-token-algorithm", "RS256", "--everyone", "true"];
  const made = await product(server, at, ...words);
  const site = await startApache(at, {
    settings: [
      ...settings(server, made),
      // In this order: it asks for the keys when it reads how they are used.
      `OIDCPrivateKeyFiles site#${key}`,
      `OIDCPublicKeyFiles site#${certificate}`,
      "OIDCProviderTokenEndpointAuth private_key_jwt",
      "OIDCIDTokenSignedResponseAlg RS256",
    ],
  });
  t.after(site.stop);
  const page = await visit(new Browser(), visitor, `${site.url}/inside/`);
  assert.deepEqual([page.status, page.headers.get("x-mail")], [200, EMAIL], site.output());
});
