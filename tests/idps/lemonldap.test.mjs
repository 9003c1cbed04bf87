// Debian's LemonLDAP::NG as an organization's identity provider: people sign in through it end to end over HTTP.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Browser } from "../openid/lib/browser.mjs";
import { organization, peopleOf } from "../openid/lib/organization.mjs";
import { startLemonLdap } from "./lib/lemonldap.mjs";
import { framesOf, isAsked, isIn, signOut, walk, wordsOf } from "./lib/person.mjs";

const NAME = "Harbor portal";

test("people sign in through Debian's LemonLDAP::NG", async (t) => {
  const { server, slug, domain, words } = await organization(t, { BAILIWICK_OUTBOUND_ALLOW_LOOPBACK: "true" });
  const people = await peopleOf({ server, slug, words });
  const doctor = `dwho@${domain}`;
  // Whoever is not of the crew has an address elsewhere.
  const macros = { work: `$uid . ($uid eq 'msmith' ? '@elsewhere.example' : '@${domain}')` };
  const provider = await startLemonLdap({ macros, attributes: { work: "mail", cn: "displayName", groups: "groups" } });
  t.after(provider.stop);
  const crew = await people.group("From the portal");
  const mapping = join(server.folder, "mapping.json");
  const mapped = {
    email_claim: "mail",
    name_claim: "displayName",
    groups_claim: "groups",
    roles: [{ value: "timelords", role: "admin" }],
    groups: [{ value: "timelords", group: crew }],
    vouches_for_addresses: true,
  };
  writeFileSync(mapping, JSON.stringify(mapped));
  const made = await server.cli("idp", "add", "--name", NAME, "--metadata-url", provider.metadata, "--mapping", mapping, "--enable", ...words);
  assert.deepEqual([made.kind, made.issuer], ["saml", provider.entity]);
  // The command line works on the store and does not know the server's --public-url.
  const ours = (address) => server.url + new URL(address).pathname;
  const begin = ours(made.sign_in_url);
  const trusts = await (await fetch(ours(made.saml.entity_id))).text();
  await provider.run({ trusts });
  const update = (...more) => server.cli("idp", "update", NAME, ...more, ...words);

  const comes = async (browser, name = "dwho", address = begin) => {
    const there = await walk(browser, address, { home: server.url, typed: { user: name, password: name } });
    assert.ok(there.at.startsWith(server.url), `${there.at}: ${wordsOf(there.text)}\n${provider.output()}`);
    return there;
  };
  const comesIn = async (browser, name, address) => {
    const there = await comes(browser, name, address);
    assert.ok(there.status === 200 && (await isIn(browser, server)), `${there.status} ${wordsOf(there.text)}`);
  };

  await t.test("a signed answer signs in, with role and groups by the mapping", async () => {
    await comesIn(new Browser());
    assert.equal((await people.person(doctor)).role, "admin");
    assert.deepEqual(await people.membersOf(crew), [doctor]);
    await comesIn(new Browser());
    assert.equal((await server.cli("idp", "links", NAME, ...words)).length, 1);
  });

  await t.test("somebody without the group is a member, and not in it", async () => {
    await comesIn(new Browser(), "rtyler");
    assert.equal((await people.person(`rtyler@${domain}`)).role, "member");
    assert.deepEqual(await people.membersOf(crew), [doctor]);
  });

  await t.test("somebody at a foreign domain is refused in words", async () => {
    const there = await comes(new Browser(), "msmith");
    assert.equal(there.status, 403);
    assert.match(there.text, /elsewhere\.example/);
  });

  await t.test("signing out there signs out here", async () => {
    const browser = new Browser();
    await comesIn(browser);
    const page = await (await browser.fetch(`${provider.url}/?logout=1`, { headers: { accept: "text/html" } })).text();
    const frames = framesOf(page, provider.url);
    assert.equal(frames.length, 1, page);
    for (const frame of frames) {
      const seen = [];
      const end = await walk(browser, frame, { home: server.url, framed: true, ends: /\/icons\//, seen: (at) => seen.push(at) });
      // Whoever signs out there sees a picture for each place where it went well.
      assert.match(end.at, /\/icons\/ok\.png/, `${seen.join("\n")}\n${provider.output()}`);
    }
    assert.equal(await isIn(browser, server), false);
  });

  await t.test("signing out here signs out there", async () => {
    const browser = new Browser();
    await comesIn(browser);
    assert.equal(await isAsked(browser, begin), false);
    const to = await signOut(browser, server);
    assert.ok(String(to).startsWith(`${provider.url}/saml/singleLogout?SAMLRequest=`), String(to));
    const there = await walk(browser, to, { home: server.url });
    assert.equal(there.at, `${server.url}/sign-in`, `${wordsOf(there.text)}\n${provider.output()}`);
    assert.equal(await isAsked(browser, begin), true);
  });

  await t.test("an encrypted assertion in a signed answer is read", async () => {
    await provider.run({ trusts, options: { samlSPMetaDataOptionsEncryptionMode: "assertion" } });
    await comesIn(new Browser());
  });

  await t.test("a sign-in that begins there counts only where that is wanted", async () => {
    const options = { samlSPMetaDataOptionsEnableIDPInitiatedURL: 1 };
    await provider.run({ trusts, options });
    const portal = `${provider.url}/saml/singleSignOn?IDPInitiated=1&spConfKey=bailiwick`;
    const refused = new Browser();
    assert.equal((await comes(refused, "dwho", portal)).status, 403);
    assert.equal(await isIn(refused, server), false);
    await update("--unsolicited", "true");
    await comesIn(new Browser(), "dwho", portal);
    await update("--unsolicited", "false");
  });

  await t.test("a new key counts once its metadata was read", async () => {
    await provider.run({ trusts, key: "second" });
    const browser = new Browser();
    assert.match((await comes(browser)).text, /signature|signed/i);
    assert.equal(await isIn(browser, server), false);
    assert.equal((await update("--metadata-url", provider.metadata)).saml.certificates.length, 1);
    await comesIn(new Browser());
  });
});
