// npm's oidc-provider as an organization's identity provider: people sign in through it end to end over HTTP.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import Provider from "oidc-provider";
import { freePort } from "../kit/process.mjs";
import { Browser } from "./lib/browser.mjs";
import { organization } from "./lib/organization.mjs";

const SECRET = "a secret that nobody but the two of them knows";

// People of the provider; each is known there by another name than their address.
const people = new Map();

async function startProvider(t, issuer, client) {
  const provider = new Provider(issuer, {
    clients: [client],
    cookies: { keys: ["only for this test"] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    scopes: ["openid", "email", "profile", "groups"],
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
  });
  const server = createServer(provider.callback());
  await new Promise((done) => server.listen(new URL(issuer).port, "127.0.0.1", done));
  t.after(() => new Promise((done) => { server.closeAllConnections(); server.close(done); }));
}

test("people sign in through npm's oidc-provider", async (t) => {
  const { server, domain, words } = await organization(t, { BAILIWICK_OUTBOUND_ALLOW_LOOPBACK: "true" });

  // The provider has to know where to send people back to, and the connection what to call itself there.
  const issuer = `http://127.0.0.1:${await freePort()}`;
  const secret = join(server.folder, "client-secret");
  writeFileSync(secret, `${SECRET}\n`);
  const made = await server.cli("idp", "add", "--name", "Company login", "--issuer", issuer, "--client-id", "bailiwick",
    "--client-secret-file", secret, "--scopes", "openid,email,profile,groups", ...words);
  assert.equal(made.state, "disabled");
  // The command line works on the store and does not know the server's --public-url.
  for (const name of ["redirect_uri", "backchannel_logout_uri", "sign_in_url"]) made[name] = server.url + new URL(made[name]).pathname;
  await startProvider(t, issuer, {
    client_id: "bailiwick",
    client_secret: SECRET,
    redirect_uris: [made.redirect_uri],
    post_logout_redirect_uris: [`${server.url}/sign-in`],
    backchannel_logout_uri: made.backchannel_logout_uri,
    backchannel_logout_session_required: true,
    response_types: ["code"],
    grant_types: ["authorization_code"],
    id_token_signed_response_alg: "RS256",
  });

  const mara = `mara.new@${domain}`;
  people.set("7d1f-mara", { email: mara, email_verified: true, name: "Mara New", groups: ["ops"] });
  people.set("0c55-eve", { email: "eve@elsewhere.example", email_verified: true, name: "Eve" });

  await t.test("the test of the connection finds nothing wrong", async () => {
    const report = await server.cli("idp", "test", "Company login", ...words);
    assert.equal(report.works, true, JSON.stringify(report));
    await server.cli("idp", "enable", "Company login", ...words);
  });

  const browser = new Browser();
  await t.test("an address leads to the provider, and an account is made", async () => {
    const start = await browser.follow(`${server.url}/sign-in/sso`, server.url);
    const csrf = start.text.match(/name="csrf" value="([^"]+)"/)[1];
    const body = new URLSearchParams({ csrf, email: mara, next: "/account" });
    const sent = await (await browser.fetch(`${server.url}/sign-in/sso`, { method: "POST", body })).text();
    const hop = sent.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1].replaceAll("&#38;", "&");
    assert.ok(hop?.startsWith(`${issuer}/auth?`), sent.slice(0, 400));
    const there = await browser.follow(hop, server.url, "7d1f-mara");
    assert.deepEqual([there.status, new URL(there.at).pathname], [200, "/account"], there.text.slice(0, 600));
    assert.ok(there.text.includes(mara));
    const links = await server.cli("idp", "links", "Company login", ...words);
    assert.deepEqual(links.map((link) => [link.email, link.subject]), [[mara, "7d1f-mara"]]);
  });

  await t.test("somebody at a foreign domain is refused in words", async () => {
    const other = await new Browser().follow(made.sign_in_url, server.url, "0c55-eve");
    assert.equal(other.status, 403);
    assert.match(other.text, /elsewhere\.example/);
  });

  await t.test("signing out leads on to the provider and back", async () => {
    const page = await browser.follow(`${server.url}/account`, server.url);
    const csrf = page.text.match(/name="csrf" value="([^"]+)"/)[1];
    const out = await (await browser.fetch(`${server.url}/sign-out`, { method: "POST", body: new URLSearchParams({ csrf }) })).text();
    const hop = out.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1].replaceAll("&#38;", "&");
    assert.ok(hop?.startsWith(`${issuer}/session/end?`), out.slice(0, 400));
    const back = await browser.follow(hop, server.url);
    assert.equal(new URL(back.at).pathname, "/sign-in");
    assert.equal((await browser.fetch(`${server.url}/account`)).status, 303);
  });

  await t.test("a wrong secret is named by the test of a sign-in", async () => {
    writeFileSync(secret, "another secret");
    await server.cli("idp", "update", "Company login", "--client-secret-file", secret, ...words);
    const refused = await new Browser().follow(made.sign_in_url, server.url, "7d1f-mara");
    assert.equal(refused.status, 502);
    assert.match(refused.text, /invalid_client/);
  });

  await t.test("a disabled connection lets nobody in", async () => {
    const effect = await server.cli("idp", "disable", "Company login", "--dry-run", ...words);
    assert.equal(effect.people, 1);
    await server.cli("idp", "disable", "Company login", ...words);
    assert.equal((await new Browser().fetch(made.sign_in_url)).status, 403);
  });
});
