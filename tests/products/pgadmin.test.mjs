// PyPI's pgAdmin signs its people in through the program; the role that an access rule gives decides who is let in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Browser } from "../openid/lib/browser.mjs";
import { EMAIL, installation, theProvider, visit } from "../openid/lib/person.mjs";
import { pgadminAddresses, startPgadmin } from "./lib/pgadmin.mjs";

test("people come to pgAdmin with their roles", async (t) => {
  const { server, visitor } = await installation(t, { BAILIWICK_RATE_LIMIT_PERCENT: "0" });
  const { slug, people } = await theProvider(server);
  const crew = await people.group("Deck crew");
  const at = await pgadminAddresses();
  const words = ["--redirect-uri", at.callback, "--logout-uri", at.after, "--scopes", "openid,profile,email,roles"];
  const product = await server.cli("product", "create", "--name", "Harbor databases", "--asks-consent", "false", ...words, "--json");
  await server.cli("product", "allow", product.client_id, "--organization", slug, "--role", "guest");
  await server.cli("product", "allow", product.client_id, "--organization", slug, "--group", "Deck crew", "--role", "dba");
  const pgadmin = await startPgadmin(at, { server, product, claims: { roles: ["dba"] } });
  t.after(pgadmin.stop);

  const signIn = async (browser) => {
    const page = await visit(browser, visitor, `${pgadmin.url}/login?next=/`);
    const csrf = page.text.match(/name="csrf_token"[^>]*value="([^"]+)"/)?.[1] ?? page.text.match(/csrfToken"?:\s*"([^"]+)"/)?.[1];
    assert.ok(csrf, page.text.slice(0, 3000));
    const body = new URLSearchParams({ csrf_token: csrf, oauth2_button: "bailiwick", next: "/" });
    const sent = await browser.fetch(`${pgadmin.url}/authenticate/login`, { method: "POST", body, headers: { referer: `${pgadmin.url}/login` } });
    const to = sent.headers.get("location");
    assert.ok(to?.startsWith(`${server.url}/oauth/authorize?`), `${sent.status} ${to} ${(await sent.text()).slice(0, 600)}\n${pgadmin.output()}`);
    assert.equal(new URL(to).searchParams.get("code_challenge_method"), "S256");
    return visit(browser, visitor, to);
  };
  const isIn = async (browser) => (await browser.fetch(`${pgadmin.url}/browser/`)).status === 200;

  await t.test("a role that it does not name is not let in", async () => {
    const browser = new Browser();
    const there = await signIn(browser);
    assert.match(there.text, /not authorized/, pgadmin.output());
    assert.equal(await isIn(browser), false);
  });

  await t.test("the role that it names is", async () => {
    await people.join(crew, EMAIL);
    const browser = new Browser();
    const there = await signIn(browser);
    assert.equal(there.status, 200, `${there.at} ${there.text.slice(0, 600)}\n${pgadmin.output()}`);
    assert.ok(await isIn(browser), pgadmin.output());
    const menu = await (await browser.fetch(`${pgadmin.url}/browser/js/utils.js`)).text();
    const shown = (name) => menu.match(new RegExp(`${name}: '([^']*)'`))?.[1];
    assert.deepEqual([shown("username"), shown("auth_source")], [EMAIL, "bailiwick"], "it shows whom it took them for");
  });

  await t.test("whoever leaves the group is let in no more", async () => {
    await people.leave(crew, EMAIL);
    const browser = new Browser();
    assert.match((await signIn(browser)).text, /not authorized/, pgadmin.output());
    assert.equal(await isIn(browser), false);
    await people.join(crew, EMAIL);
  });

  await t.test("signing out there signs out here", async () => {
    const browser = new Browser();
    await signIn(browser);
    assert.ok(await isIn(browser), pgadmin.output());
    const out = await visit(browser, visitor, `${pgadmin.url}/oauth2/logout`);
    assert.ok(out.at.startsWith(pgadmin.url), out.at);
    assert.equal((await visitor.fetch("/account")).status, 303);
    assert.equal(await isIn(browser), false);
  });
});
