// Debian's SimpleSAMLphp as an identity provider of its own, in PHP's built-in web server: settings, sessions and keys are in a
// folder of the test, nothing of /etc is read but the names of attributes.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, listens, start, temporaryFolder } from "../../kit/process.mjs";
import { makeKey } from "./keys.mjs";

const WWW = "/usr/share/simplesamlphp/www";

// PHP for a value of JavaScript.
function php(value) {
  if (Array.isArray(value)) return `[${value.map(php).join(", ")}]`;
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  if (typeof value === "string") return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return `[${Object.entries(value).map(([name, one]) => `${php(/^\d+$/.test(name) ? Number(name) : name)} => ${php(one)}`).join(", ")}]`;
}

// `people`: password by name, and attributes. `trusts` are addresses that it may send browsers to.
export async function startSimpleSaml({ people, trusts }) {
  const folder = temporaryFolder("simplesamlphp");
  const at = (name) => join(folder.path, name);
  for (const name of ["metadata", "cert", "log", "data", "tmp", "sessions"]) mkdirSync(at(name));
  const url = `http://127.0.0.1:${await freePort()}`;
  const entity = `${url}/idp`;
  for (const name of ["first", "second"]) makeKey(at("cert"), name);
  const config = {
    baseurlpath: `${url}/`,
    certdir: `${at("cert")}/`,
    loggingdir: `${at("log")}/`,
    datadir: `${at("data")}/`,
    tempdir: at("tmp"),
    metadatadir: `${at("metadata")}/`,
    attributenamemapdir: "/etc/simplesamlphp/attributemap/",
    secretsalt: "only for this test",
    "auth.adminpassword": "only for this test too",
    technicalcontact_email: "nobody@idp.example",
    timezone: "UTC",
    "logging.handler": "errorlog",
    showerrors: true,
    errorreporting: false,
    "enable.saml20-idp": true,
    "module.enable": { exampleauth: true, core: true, saml: true },
    "session.cookie.secure": false,
    "session.cookie.samesite": null,
    "language.cookie.secure": false,
    "language.cookie.samesite": null,
    "session.phpsession.savepath": at("sessions"),
    "store.type": "phpsession",
    "trusted.url.domains": [new URL(url).host, ...trusts],
    "metadata.sources": [{ type: "flatfile" }, { type: "xml", file: at("sp.xml") }],
    "authproc.idp": {},
  };
  writeFileSync(at("config.php"), `<?php\n$config = ${php(config)};\n`);
  const source = { 0: "exampleauth:UserPass" };
  for (const [name, { password, ...attributes }] of Object.entries(people)) source[`${name}:${password}`] = attributes;
  writeFileSync(at("authsources.php"), `<?php\n$config = ${php({ people: source })};\n`);

  const provider = { url, entity, metadata: `${url}/saml2/idp/metadata.php` };
  // What it does; takes effect with the next request.
  provider.set = (more = {}) => {
    const hosted = {
      host: "__DEFAULT__",
      privatekey: "first.key",
      certificate: "first.crt",
      auth: "people",
      "redirect.validate": true,
      "redirect.sign": true,
      "sign.logout": true,
      "signature.algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
      authproc: { 3: { class: "saml:PersistentNameID", attribute: "uid" } },
      ...more,
    };
    writeFileSync(at("metadata/saml20-idp-hosted.php"), `<?php\n$metadata[${php(entity)}] = ${php(hosted)};\n`);
  };
  provider.set();
  // Our metadata, as it read it.
  provider.trust = (xml) => writeFileSync(at("sp.xml"), xml);
  provider.trust('<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"></md:EntitiesDescriptor>');

  const program = start("php", ["-d", "display_errors=0", "-d", "opcache.enable=0", "-S", new URL(url).host, "-t", WWW], {
    env: { SIMPLESAMLPHP_CONFIG_DIR: folder.path },
    cwd: folder.path,
  });
  provider.output = () => program.output;
  provider.stop = async () => {
    await program.stop();
    folder.stop();
  };
  try {
    await program.ready("SimpleSAMLphp", () => listens(new URL(url).port));
  } catch (error) {
    await provider.stop();
    throw error;
  }
  return provider;
}
