// Debian's LemonLDAP::NG as an identity provider of its own, in Plack's web server: settings, sessions and keys are in a folder of
// the test. Its people are those of its demonstration: dwho, rtyler and msmith, each with their name as password.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, listens, start, temporaryFolder } from "../../kit/process.mjs";
import { makeKey } from "./keys.mjs";

const NODE = "bailiwick";

// `macros` make attributes of the session by expressions in Perl; `attributes` are those of them that we are told, by name.
export async function startLemonLdap({ macros, attributes }) {
  const folder = temporaryFolder("lemonldap");
  const at = (name) => join(folder.path, name);
  const stores = ["conf", "sessions", "persistent", "saml", "locks", "cache"];
  for (const name of stores) mkdirSync(at(name));
  const url = `http://127.0.0.1:${await freePort()}`;
  const keys = Object.fromEntries(["first", "second"].map((name) => {
    const { key, certificate } = makeKey(folder.path, name);
    return [name, { samlServicePrivateKeySig: readFileSync(key, "utf8"), samlServicePublicKeySig: readFileSync(certificate, "utf8") }];
  }));
  const store = (name) => ({ Directory: at(name), LockDirectory: at("locks"), generateModule: "Lemonldap::NG::Common::Apache::Session::Generate::SHA256" });
  const config = {
    cfgNum: 1,
    cfgDate: 1,
    cfgVersion: "2.16.1",
    key: "only for this test",
    domain: "127.0.0.1",
    portal: `${url}/`,
    cookieName: "lemonldap",
    securedCookie: 0,
    authentication: "Demo",
    userDB: "Same",
    passwordDB: "Demo",
    registerDB: "Null",
    demoExportedVars: { cn: "cn", mail: "mail", uid: "uid" },
    whatToTrace: "uid",
    macros,
    groups: { timelords: "$uid eq 'dwho'" },
    globalStorage: "Apache::Session::File",
    globalStorageOptions: store("sessions"),
    persistentStorage: "Apache::Session::File",
    persistentStorageOptions: store("persistent"),
    samlStorage: "Apache::Session::File",
    samlStorageOptions: store("saml"),
    localSessionStorage: "Cache::FileCache",
    localSessionStorageOptions: { namespace: "sessions", cache_root: at("cache"), default_expires_in: 600, cache_depth: 3, directory_umask: "007" },
    issuerDBSAMLActivation: 1,
    issuerDBSAMLPath: "^/saml/",
    issuerDBSAMLRule: 1,
    samlEntityID: "#PORTAL#/saml/metadata",
    samlServiceSignatureMethod: "RSA_SHA256",
    samlServiceUseCertificateInResponse: 0,
    samlOrganizationName: "Harbor",
    samlOrganizationDisplayName: "Harbor portal",
    samlOrganizationURL: "https://idp.example",
    captcha: "NoPictures",
    portalDisplayRegister: 0,
    portalDisplayResetPassword: 0,
    requireToken: 0,
    locationRules: {},
    exportedHeaders: {},
    applicationList: {},
  };
  writeFileSync(at("portal.psgi"), "use Lemonldap::NG::Portal::Main;\nLemonldap::NG::Portal::Main->run({});\n");
  // It loads one module for captchas even when it asks for none; its own needs a library for pictures.
  writeFileSync(at("NoPictures.pm"), "package NoPictures;\nuse Mouse;\nextends 'Lemonldap::NG::Portal::Main::Plugin';\nsub init { 1 }\n1;\n");
  writeFileSync(at("lemonldap-ng.ini"), [
    "[all]", "logLevel = notice", "logger = Lemonldap::NG::Common::Logger::Std", "userLogger = Lemonldap::NG::Common::Logger::Std",
    "[configuration]", "type = File", `dirName = ${at("conf")}`, "localStorage = Cache::FileCache",
    `localStorageOptions={ 'namespace' => 'config', 'default_expires_in' => 600, 'cache_root' => '${at("cache")}', 'cache_depth' => 3 }`,
    "[portal]", "staticPrefix = /static", "templateDir = /usr/share/lemonldap-ng/portal/templates", "languages = en",
    "",
  ].join("\n"));

  let program;
  const provider = { url, entity: `${url}/saml/metadata`, metadata: `${url}/saml/metadata`, output: () => program.output };
  // Our metadata and what is done with it; its settings are read when it starts.
  provider.run = async ({ trusts, options = {}, key = "first" } = {}) => {
    const partner = trusts && {
      samlSPMetaDataXML: { [NODE]: { samlSPMetaDataXML: trusts } },
      samlSPMetaDataOptions: { [NODE]: { samlSPMetaDataOptionsCheckSSOMessageSignature: 1, samlSPMetaDataOptionsSignSSOMessage: 1, samlSPMetaDataOptionsSignSLOMessage: 1, ...options } },
      samlSPMetaDataExportedAttributes: { [NODE]: Object.fromEntries(Object.entries(attributes).map(([from, name]) => [from, `0;${name};;`])) },
    };
    writeFileSync(at("conf/lmConf-1.json"), JSON.stringify({ ...config, ...keys[key], ...partner }));
    await program?.stop();
    program = start("plackup", ["--server", "HTTP::Server::PSGI", "--env", "deployment", "--host", "127.0.0.1", "--port", new URL(url).port, at("portal.psgi")], {
      env: { LLNG_DEFAULTCONFFILE: at("lemonldap-ng.ini"), PERL5LIB: folder.path },
      cwd: folder.path,
    });
    await program.ready("LemonLDAP::NG", () => listens(new URL(url).port), { timeout_ms: 60_000 });
  };
  provider.stop = async () => {
    await program?.stop();
    folder.stop();
  };
  try {
    await provider.run();
  } catch (error) {
    await provider.stop();
    throw error;
  }
  return provider;
}
