// PyPI's pysaml2 as an organization's identity provider: people sign in through it end to end over HTTP.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Browser } from "./lib/browser.mjs";
import { organization } from "./lib/organization.mjs";

const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../.tools", import.meta.url));
const PYTHON = join(TOOLS, "venv/saml/bin/python");
const ENTITY = "https://idp.example/saml";
// What pysaml2 puts before the names of attributes.
const DIR = "urn:mace:dir:attribute-def:";
const SSO = "https://idp.example/sso";

// The provider; `tell` gives it a line and takes one.
async function startProvider(t, folder, ...more) {
  const script = fileURLToPath(new URL("saml_provider.py", import.meta.url));
  const provider = spawn(PYTHON, [script, folder, ENTITY, SSO, ...more], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => provider.kill());
  const lines = createInterface({ input: provider.stdout })[Symbol.asyncIterator]();
  const heard = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, "the provider goes on");
    return JSON.parse(value);
  };
  assert.equal(await heard(), "ready");
  return async (words) => {
    provider.stdin.write(`${JSON.stringify(words)}\n`);
    return heard();
  };
}

test("people sign in through PyPI's pysaml2", async (t) => {
  const { server, domain, words } = await organization(t);

  const tell = await startProvider(t, server.folder);
  const metadata = join(server.folder, "idp.xml");
  const mapping = join(server.folder, "mapping.json");
  writeFileSync(mapping, JSON.stringify({ email_claim: `${DIR}mail`, name_claim: `${DIR}displayName`, vouches_for_addresses: true, creates_accounts: true }));
  const made = await server.cli("idp", "add", "--name", "Company SAML", "--metadata", metadata, "--mapping", mapping, ...words);
  assert.deepEqual([made.state, made.kind, made.issuer], ["disabled", "saml", ENTITY]);
  assert.equal(made.saml.certificates.length, 1);
  // The command line works on the store and does not know the server's --public-url.
  const ours = (address) => server.url + new URL(address).pathname;
  const begin = ours(made.sign_in_url);
  const acs = ours(made.saml.acs_url);

  const document = await fetch(ours(made.saml.entity_id));
  assert.equal(document.status, 200);
  writeFileSync(join(server.folder, "sp.xml"), await document.text());
  assert.equal(await tell({ do: "trust" }), "ready");

  // Begins a sign-in; the query that our request came in.
  const asks = async (browser) => {
    const text = await (await browser.fetch(begin)).text();
    const hop = text.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1].replaceAll("&#38;", "&");
    assert.ok(hop?.startsWith(`${SSO}?SAMLRequest=`), text.slice(0, 400));
    return Object.fromEntries(new URL(hop).searchParams);
  };
  const mara = `mara.saml@${domain}`;
  const attributes = { mail: [mara], displayName: ["Mara Saml"] };
  const answers = async (browser, more = {}) =>
    tell({ do: "answer", query: await asks(browser), name_id: "7d1f-mara", attributes, ...more });
  const brings = async (browser, said) => {
    assert.equal(said.to, acs, "our request and our metadata say where answers go");
    const body = new URLSearchParams({ SAMLResponse: Buffer.from(said.response).toString("base64"), RelayState: said.relay_state });
    // A form of another site brings no cookie.
    const posted = await fetch(acs, { method: "POST", body, redirect: "manual" });
    const to = posted.headers.get("location");
    if (!to) return { status: posted.status, text: await posted.text(), at: acs };
    return browser.follow(new URL(to, acs), server.url);
  };

  await t.test("nobody comes through it before it is enabled", async () => {
    assert.equal((await new Browser().fetch(begin)).status, 403);
    const report = await server.cli("idp", "test", "Company SAML", ...words);
    assert.equal(report.works, true, JSON.stringify(report));
    await server.cli("idp", "enable", "Company SAML", ...words);
  });

  await t.test("a signed answer signs in", async () => {
    const browser = new Browser();
    const there = await brings(browser, await answers(browser));
    assert.equal(there.status, 200, there.text.slice(0, 600));
    const account = await browser.follow(`${server.url}/account`, server.url);
    assert.deepEqual([account.status, new URL(account.at).pathname], [200, "/account"]);
    assert.ok(account.text.includes(mara));
    const links = await server.cli("idp", "links", "Company SAML", ...words);
    assert.deepEqual(links.map((link) => [link.email, link.subject]), [[mara, "7d1f-mara"]]);
  });

  await t.test("an answer that is encrypted with Triple DES, as pysaml2 does, is refused", async () => {
    const browser = new Browser();
    assert.equal((await brings(browser, await answers(browser, { encrypt: true }))).status, 502);
    assert.equal((await browser.fetch(`${server.url}/account`)).status, 303);
  });

  await t.test("the same answer counts once", async () => {
    const browser = new Browser();
    const said = await answers(browser);
    assert.equal((await brings(browser, said)).status, 200);
    assert.equal((await brings(browser, said)).status, 410);
  });

  await t.test("without a signature, or changed after it, it is refused", async () => {
    const browser = new Browser();
    const unsigned = await brings(browser, await answers(browser, { sign: false }));
    assert.equal(unsigned.status, 502);
    assert.match(unsigned.text, /signed/);
    const said = await answers(browser);
    const changed = { ...said, response: said.response.replaceAll("7d1f-mara", "0000-boss") };
    assert.notEqual(changed.response, said.response);
    assert.equal((await brings(browser, changed)).status, 502);
    assert.equal((await browser.fetch(`${server.url}/account`)).status, 303);
  });

  await t.test("somebody at a foreign domain is refused in words", async () => {
    const browser = new Browser();
    const eve = { mail: ["eve@elsewhere.example"], displayName: ["Eve"] };
    const other = await brings(browser, await answers(browser, { name_id: "0c55-eve", attributes: eve }));
    assert.equal(other.status, 403);
    assert.match(other.text, /elsewhere\.example/);
  });

  await t.test("metadata of another provider is not taken for this one", async () => {
    const other = join(server.folder, "other.xml");
    writeFileSync(other, readFileSync(metadata, "utf8").replaceAll(ENTITY, "https://other.example/saml"));
    await assert.rejects(server.cli("idp", "update", "Company SAML", "--metadata", other, ...words), /another provider|other\.example|entity/i);
  });

  await t.test("a disabled connection lets nobody in", async () => {
    const browser = new Browser();
    const said = await answers(browser);
    await server.cli("idp", "disable", "Company SAML", ...words);
    assert.equal((await brings(browser, said)).status, 403);
    assert.equal((await new Browser().fetch(begin)).status, 403);
  });
});

test("people sign in through pysaml2 where it takes requests by a form alone", async (t) => {
  const { server, domain, words } = await organization(t);
  const tell = await startProvider(t, server.folder, "post");
  const metadata = join(server.folder, "idp.xml");
  assert.ok(!readFileSync(metadata, "utf8").includes("HTTP-Redirect"));
  const mapping = join(server.folder, "mapping.json");
  writeFileSync(mapping, JSON.stringify({ email_claim: `${DIR}mail`, vouches_for_addresses: true, creates_accounts: true }));
  const made = await server.cli("idp", "add", "--name", "Company SAML", "--metadata", metadata, "--mapping", mapping, ...words);
  const ours = (address) => server.url + new URL(address).pathname;
  writeFileSync(join(server.folder, "sp.xml"), await (await fetch(ours(made.saml.entity_id))).text());
  assert.equal(await tell({ do: "trust" }), "ready");
  assert.equal((await server.cli("idp", "test", "Company SAML", ...words)).works, true);
  await server.cli("idp", "enable", "Company SAML", ...words);

  const browser = new Browser();
  const page = await (await browser.fetch(ours(made.sign_in_url))).text();
  assert.equal(page.match(/<form method="post" action="([^"]+)"/)?.[1], SSO);
  const query = Object.fromEntries([...page.matchAll(/<input type="hidden" name="(\w+)" value="([^"]+)"/g)].map(([, name, value]) => [name, value]));
  const ask = (changed) => tell({ do: "answer", query: { ...query, ...changed }, name_id: "7d1f-mara", attributes: { mail: [`mara.form@${domain}`] } });
  const said = await ask({});
  const acs = ours(made.saml.acs_url);
  assert.equal(said.to, acs);
  const body = new URLSearchParams({ SAMLResponse: Buffer.from(said.response).toString("base64"), RelayState: said.relay_state });
  const posted = await fetch(acs, { method: "POST", body, redirect: "manual" });
  const there = await browser.follow(new URL(posted.headers.get("location"), acs), server.url);
  assert.equal(there.status, 200, there.text.slice(0, 600));

  // It does check our signature: a request that was changed behind it is refused there.
  const changed = Buffer.from(query.SAMLRequest, "base64").toString().replace('AllowCreate="true"', 'AllowCreate="false"');
  assert.equal((await ask({ SAMLRequest: Buffer.from(changed).toString("base64") })).refused, true);
});
