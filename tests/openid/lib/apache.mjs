// Debian's Apache with mod_auth_openidc, as an instance of its own: settings, runtime files and port belong to the test alone.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, listens, start, temporaryFolder } from "../../kit/process.mjs";

const MODULES = "/usr/lib/apache2/modules";
const LOADED = ["mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "alias", "dir", "headers", "env"];

// Where an instance will be, before it is started: its product is registered with these addresses.
export async function apacheAddresses() {
  const url = `http://127.0.0.1:${await freePort()}`;
  const redirect = `${url}/inside/answer`;
  return { url, redirect, after: `${url}/bye`, backchannel: `${redirect}?logout=backchannel` };
}

// `inside` is for everybody whom the provider sends; `rules` are further folders with what they require.
export async function startApache({ url, redirect, after }, { settings, rules = {} }) {
  const folder = temporaryFolder("apache");
  chmodSync(folder.path, 0o755);
  const log = join(folder.path, "error.log");
  const pages = join(folder.path, "pages");
  const places = ["inside", ...Object.keys(rules), "bye"];
  for (const place of places) {
    mkdirSync(join(pages, place), { recursive: true });
    writeFileSync(join(pages, place, "index.html"), `${place}\n`);
  }
  const requires = { inside: "valid-user", ...rules };
  const locations = Object.entries(requires).map(
    ([place, required]) => `<Location "/${place}">\n  AuthType openid-connect\n  AuthzSendForbiddenOnFailure On\n  Require ${required}\n</Location>`,
  );
  const config = [
    ...LOADED.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`),
    ...(process.getuid() === 0 ? ["User www-data", "Group www-data"] : []),
    `ServerRoot "${folder.path}"`,
    `DefaultRuntimeDir "${folder.path}"`,
    `PidFile "${folder.path}/pid"`,
    `ErrorLog "${log}"`,
    `Listen ${new URL(url).host}`,
    `ServerName ${url}`,
    `DocumentRoot "${pages}"`,
    `<Directory "${pages}">\n  Require all granted\n</Directory>`,
    "StartServers 1",
    "ThreadsPerChild 8",
    "MaxRequestWorkers 32",
    `OIDCRedirectURI ${redirect}`,
    `OIDCCryptoPassphrase "only for this test"`,
    // Without this a request that no browser's window sent gets 401 instead of the way to the provider.
    "OIDCUnAuthAction auth true",
    "OIDCInfoHook access_token refresh_token id_token userinfo",
    `OIDCRedirectURLsAllowed ^${url.replaceAll(".", "\\.")}/`,
    ...settings,
    ...locations,
    // What the application behind it would see.
    `Header always set X-Mail "expr=%{reqenv:OIDC_CLAIM_email}"`,
    `Header always set X-Roles "expr=%{reqenv:OIDC_CLAIM_roles}"`,
    `Header always set X-Groups "expr=%{reqenv:OIDC_CLAIM_groups}"`,
  ];
  const file = join(folder.path, "apache.conf");
  writeFileSync(file, `${config.join("\n")}\n`);
  const program = start("/usr/sbin/apache2", ["-f", file, "-DFOREGROUND"], { cwd: folder.path });
  const stop = async () => {
    await program.stop();
    folder.stop();
  };
  try {
    await program.ready("Apache", () => listens(new URL(url).port));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, redirect, after, output: () => program.output + (existsSync(log) ? readFileSync(log, "utf8") : ""), stop };
}
