// PyPI's JupyterHub signs its people in through the program; groups here are groups there, and decide who is let in and who rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../openid/lib/browser.mjs";
import { EMAIL, installation, theProvider, visit } from "../openid/lib/person.mjs";
import { hubAddresses, startHub } from "./lib/jupyterhub.mjs";

test("people come to JupyterHub with their groups", async (t) => {
  const { server, visitor } = await installation(t, { BAILIWICK_RATE_LIMIT_PERCENT: "0" });
  const { slug, people } = await theProvider(server);
  const [crew, captains] = [await people.group("Deck crew"), await people.group("Captains")];
  const at = await hubAddresses();
  const words = ["--redirect-uri", at.callback, "--logout-uri", at.after, "--scopes", "openid,profile,email,roles,groups"];
  const product = await server.cli("product", "create", "--name", "Harbor notebooks", "--asks-consent", "false", ...words, "--json");
  await server.cli("product", "allow", product.client_id, "--organization", slug);
  const hub = await startHub(at, {
    server,
    product,
    settings: { allowed_groups: [`${slug}/Deck crew`], admin_groups: [`${slug}/Captains`] },
    roles: [{ name: "looks-around", scopes: ["list:users"], groups: [`${slug}/Deck crew`] }],
  });
  t.after(hub.stop);
  const signIn = async (browser) => visit(browser, visitor, `${hub.url}/hub/oauth_login?next=%2Fhub%2Fhome`);
  // What the hub itself says of whoever is signed in.
  const me = async (browser) => {
    const xsrf = browser.cookie(hub.url, "_xsrf");
    const answer = await browser.fetch(`${hub.url}/hub/api/user`, { headers: { "x-xsrftoken": xsrf, referer: `${hub.url}/hub/home` } });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${text}\n${hub.output()}`);
    return JSON.parse(text);
  };

  await t.test("nobody outside the groups is let in", async () => {
    const there = await signIn(new Browser());
    assert.equal(there.status, 403, `${there.at} ${there.text.slice(0, 600)}\n${hub.output()}`);
  });

  await t.test("with PKCE, by the group, and with its role", async () => {
    const begun = await new Browser().fetch(`${hub.url}/hub/oauth_login`);
    assert.equal(new URL(begun.headers.get("location")).searchParams.get("code_challenge_method"), "S256");
    await people.join(crew, EMAIL);
    const browser = new Browser();
    const there = await signIn(browser);
    assert.deepEqual([there.status, new URL(there.at).pathname], [200, "/hub/home"], `${there.text.slice(0, 600)}\n${hub.output()}`);
    const who = await me(browser);
    assert.deepEqual([who.name, who.admin, who.groups], [EMAIL, false, [`${slug}/Deck crew`]]);
    assert.ok(who.scopes.includes("list:users"));
  });

  await t.test("a group that rules there makes an administrator, and leaving it takes that away", async () => {
    await people.join(captains, EMAIL);
    const browser = new Browser();
    await signIn(browser);
    const who = await me(browser);
    assert.deepEqual([who.admin, who.groups.sort()], [true, [`${slug}/Captains`, `${slug}/Deck crew`]]);
    await people.leave(captains, EMAIL);
    const again = new Browser();
    await signIn(again);
    assert.equal((await me(again)).admin, false);
  });

  await t.test("signing out there asks here, and signs out", async () => {
    const browser = new Browser();
    await signIn(browser);
    const out = await browser.fetch(`${hub.url}/hub/logout`);
    const to = out.headers.get("location");
    assert.ok(to?.startsWith(`${server.url}/oauth/logout?`), `${out.status} ${to}\n${hub.output()}`);
    // The hub sends no ID token along, so nobody is signed out before they say so.
    assert.match(await (await visitor.fetch(to)).text(), /Sign out\?/);
    assert.equal((await visitor.fetch("/account")).status, 200);
    const back = await visit(browser, visitor, to);
    assert.deepEqual([back.status, back.at], [200, at.after], hub.output());
    assert.equal((await visitor.fetch("/account")).status, 303);
    assert.equal((await browser.fetch(`${hub.url}/hub/home`)).status, 302);
  });
});
