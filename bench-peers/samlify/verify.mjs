// Verifies the documents of a folder with samlify, one after the other, for so many milliseconds. Schemas are not validated
// (it leaves that to a module of the caller's choice), which flatters it.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import samlify from "samlify";

const [folder, millis] = [process.argv[2], Number(process.argv[3])];
const settings = JSON.parse(readFileSync(join(folder, "settings.json"), "utf8"));
const load = (name) =>
  readdirSync(join(folder, name)).sort().map((file) => readFileSync(join(folder, name, file)).toString("base64"));
const [genuine, forged] = [load("genuine"), load("forged")];

samlify.setSchemaValidator({ validate: async () => "not validated" });
const post = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const idp = samlify.IdentityProvider({
  entityID: settings.issuer,
  signingCert: settings.certificate,
  isAssertionEncrypted: false,
  singleSignOnService: [{ Binding: post, Location: settings.issuer }],
  singleLogoutService: [{ Binding: post, Location: settings.issuer }],
});
const sp = samlify.ServiceProvider({
  entityID: settings.audience,
  wantAssertionsSigned: true,
  assertionConsumerService: [{ Binding: post, Location: settings.acs }],
});

const said = { genuine: 0, genuine_refused: 0, forged: 0, forged_accepted: 0, why: "" };
async function one(SAMLResponse, isForged) {
  let who;
  try {
    who = (await sp.parseLoginResponse(idp, "post", { body: { SAMLResponse } })).extract.nameID;
  } catch (error) {
    if (!isForged) said.why = String(error?.message ?? error);
  }
  if (isForged) {
    said.forged += 1;
    if (who === settings.evil) said.forged_accepted += 1;
  } else {
    said.genuine += 1;
    if (!who?.endsWith(settings.domain)) said.genuine_refused += 1;
  }
}

async function run(millis) {
  const began = performance.now();
  let number = 0;
  while (performance.now() - began < millis) {
    const isForged = number % 100 === 99;
    const documents = isForged ? forged : genuine;
    await one(documents[(isForged ? Math.floor(number / 100) : number) % documents.length], isForged);
    number += 1;
  }
  return number / ((performance.now() - began) / 1000);
}

await run(millis / 4); // for the compiler
Object.assign(said, { genuine: 0, genuine_refused: 0, forged: 0, forged_accepted: 0 });
const per_second = await run(millis);
// Beside the rate: every kind of forgery once more, since a slow verifier met few of them.
for (let at = 0; at < forged.length; at += settings.bases) await one(forged[at], true);
console.log(JSON.stringify({ per_second, ...said }));
