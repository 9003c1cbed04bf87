// Debian's SimpleSAMLphp as an organization's identity provider: people sign in through it end to end over HTTP.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Browser } from "../openid/lib/browser.mjs";
import { organization, peopleOf } from "../openid/lib/organization.mjs";
import { isAsked, isIn, signOut, walk, wordsOf } from "./lib/person.mjs";
import { startSimpleSaml } from "./lib/simplesamlphp.mjs";

const NAME = "Company portal";

test("people sign in through Debian's SimpleSAMLphp", async (t) => {
  const { server, slug, domain, words } = await organization(t, { BAILIWICK_OUTBOUND_ALLOW_LOOPBACK: "true" });
  const people = await peopleOf({ server, slug, words });
  const [mara, eve] = [`mara.php@${domain}`, "eve@elsewhere.example"];
  const provider = await startSimpleSaml({
    trusts: [new URL(server.url).host],
    people: {
      mara: { password: "marapass", uid: ["7d1f-mara"], mail: [mara], displayName: ["Mara Php"], memberOf: ["ops", "platform-admins"] },
      eve: { password: "evepass", uid: ["0c55-eve"], mail: [eve], displayName: ["Eve"] },
    },
  });
  t.after(provider.stop);
  const crew = await people.group("From the portal");
  const mapping = join(server.folder, "mapping.json");
  const mapped = {
    email_claim: "mail",
    name_claim: "displayName",
    groups_claim: "memberOf",
    roles: [{ value: "platform-admins", role: "admin" }],
    groups: [{ value: "ops", group: crew }],
    vouches_for_addresses: true,
  };
  writeFileSync(mapping, JSON.stringify(mapped));
  const made = await server.cli("idp", "add", "--name", NAME, "--metadata-url", provider.metadata, "--mapping", mapping, "--enable", ...words);
  assert.deepEqual([made.kind, made.issuer], ["saml", provider.entity]);
  // The command line works on the store and does not know the server's --public-url.
  const ours = (address) => server.url + new URL(address).pathname;
  const [begin, entity] = [ours(made.sign_in_url), ours(made.saml.entity_id)];
  const ourMetadata = await (await fetch(entity)).text();
  provider.trust(ourMetadata);
  const update = (...more) => server.cli("idp", "update", NAME, ...more, ...words);

  const as = (name) => ({ username: name, password: `${name}pass` });
  const comes = async (browser, name = "mara", address = begin) => {
    const there = await walk(browser, address, { home: server.url, typed: as(name) });
    assert.ok(there.at.startsWith(server.url), `${there.at}: ${wordsOf(there.text)}\n${provider.output()}`);
    return there;
  };
  const comesIn = async (browser, name, address) => {
    const there = await comes(browser, name, address);
    assert.ok(there.status === 200 && (await isIn(browser, server)), `${there.status} ${wordsOf(there.text)}`);
  };
  const staysOut = async (browser, words) => {
    const there = await comes(browser);
    assert.ok(there.status >= 400 && words.test(there.text), `${there.status} ${wordsOf(there.text)}`);
    assert.equal(await isIn(browser, server), false);
  };

  await t.test("the test of the connection finds nothing wrong", async () => {
    const report = await server.cli("idp", "test", NAME, ...words);
    assert.equal(report.works, true, JSON.stringify(report));
  });

  await t.test("a signed answer signs in, with role and groups by the mapping", async () => {
    await comesIn(new Browser());
    assert.equal((await people.person(mara)).role, "admin");
    assert.deepEqual(await people.membersOf(crew), [mara]);
    const [link] = await server.cli("idp", "links", NAME, ...words);
    assert.equal(link.email, mara);
    await comesIn(new Browser());
    assert.equal((await server.cli("idp", "links", NAME, ...words)).length, 1);
  });

  await t.test("signed in one place only, the answer as a whole or the assertion, it counts too", async () => {
    provider.set({ "saml20.sign.response": false });
    await comesIn(new Browser());
    // It signs what our metadata wishes, whatever it is set to.
    const unwished = ourMetadata.replace('WantAssertionsSigned="true"', 'WantAssertionsSigned="false"');
    assert.notEqual(unwished, ourMetadata);
    provider.trust(unwished);
    provider.set({ "saml20.sign.assertion": false });
    await comesIn(new Browser());
    provider.set({ "saml20.sign.response": false, "saml20.sign.assertion": false });
    await staysOut(new Browser(), /signed/);
    provider.trust(ourMetadata);
    provider.set();
  });

  await t.test("an encrypted assertion in a signed answer is read", async () => {
    provider.set({ "assertion.encryption": true });
    await comesIn(new Browser());
    // Its content is encrypted with AES-CBC, which counts for nothing without a signature around it.
    provider.set({ "assertion.encryption": true, "saml20.sign.response": false });
    await staysOut(new Browser(), /CBC/);
    provider.set();
  });

  await t.test("a sign-in that begins there counts only where that is wanted", async () => {
    const portal = `${provider.url}/saml2/idp/SSOService.php?spentityid=${encodeURIComponent(entity)}`;
    const refused = new Browser();
    assert.equal((await comes(refused, "mara", portal)).status, 403);
    assert.equal(await isIn(refused, server), false);
    await update("--unsolicited", "true");
    await comesIn(new Browser(), "mara", portal);
    await update("--unsolicited", "false");
  });

  await t.test("somebody at a foreign domain is refused in words", async () => {
    const there = await comes(new Browser(), "eve");
    assert.equal(there.status, 403);
    assert.match(there.text, /elsewhere\.example/);
  });

  await t.test("signing out there signs out here", async () => {
    const browser = new Browser();
    await comesIn(browser);
    const back = `${server.url}/sign-in`;
    const seen = [];
    const out = `${provider.url}/saml2/idp/initSLO.php?RelayState=${encodeURIComponent(back)}`;
    const there = await walk(browser, out, { home: server.url, seen: (at) => seen.push(at) });
    assert.equal(there.at, back, `${seen.join("\n")}\n${wordsOf(there.text)}\n${provider.output()}`);
    assert.ok(seen.some((at) => at.startsWith(`${provider.url}/saml2/idp/SingleLogoutService.php?SAMLResponse=`)));
    assert.equal(await isIn(browser, server), false);
  });

  await t.test("signing out here signs out there", async () => {
    const browser = new Browser();
    await comesIn(browser);
    assert.equal(await isAsked(browser, begin), false);
    const to = await signOut(browser, server);
    assert.ok(String(to).startsWith(`${provider.url}/saml2/idp/SingleLogoutService.php?SAMLRequest=`), String(to));
    const there = await walk(browser, to, { home: server.url });
    assert.equal(there.at, `${server.url}/sign-in`, `${wordsOf(there.text)}\n${provider.output()}`);
    assert.equal(await isAsked(browser, begin), true);
  });

  await t.test("a new key counts once its metadata was read, and the old one as long as it stands there", async () => {
    provider.set({ new_privatekey: "second.key", new_certificate: "second.crt" });
    const both = await update("--metadata-url", provider.metadata);
    assert.equal(both.saml.certificates.length, 2);
    await comesIn(new Browser());
    provider.set({ privatekey: "second.key", certificate: "second.crt" });
    await comesIn(new Browser());
    assert.equal((await update("--metadata-url", provider.metadata)).saml.certificates.length, 1);
    await comesIn(new Browser());
    provider.set();
    await staysOut(new Browser(), /signature|signed/i);
  });

  await t.test("our own key changes while people sign in", async () => {
    const second = { privatekey: "second.key", certificate: "second.crt", "assertion.encryption": true };
    const step = (name) => server.cli("idp", "own-key", NAME, "--step", name, ...words);
    const trusted = async () => provider.trust(await (await fetch(entity)).text());
    provider.set(second);
    await comesIn(new Browser());
    const prepared = await step("prepare");
    assert.deepEqual(prepared.saml.own_certificates.map((one) => one.role), ["signs", "new"]);
    // It has not read our metadata anew yet, then it has, and verifies and encrypts with either key.
    await comesIn(new Browser());
    await trusted();
    await comesIn(new Browser());
    await step("switch");
    await comesIn(new Browser());
    await trusted();
    await comesIn(new Browser());
    await step("retire");
    await comesIn(new Browser());
    await trusted();
    await comesIn(new Browser());
    provider.trust(ourMetadata);
    const strange = await walk(new Browser(), begin, { home: server.url, typed: as("mara") });
    assert.ok(!strange.at.startsWith(server.url), "the provider checks our signature: the first key counts no more");
    await trusted();
  });

  await t.test("a disabled connection lets nobody in", async () => {
    provider.set({ privatekey: "second.key", certificate: "second.crt" });
    const browser = new Browser();
    await comesIn(browser);
    await server.cli("idp", "disable", NAME, ...words);
    assert.equal(await isIn(browser, server), false);
    assert.equal((await new Browser().fetch(begin)).status, 403);
  });
});
