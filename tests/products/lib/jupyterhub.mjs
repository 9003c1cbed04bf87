// PyPI's JupyterHub with oauthenticator, and npm's proxy in front of it, with settings and data in a folder of the test.
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, start, temporaryFolder } from "../../kit/process.mjs";
import { environment } from "./python.mjs";

const PROXY = fileURLToPath(new URL("../node_modules/.bin", import.meta.url));

export async function hubAddresses() {
  const url = `http://127.0.0.1:${await freePort()}`;
  return { url, callback: `${url}/hub/oauth_callback`, after: `${url}/hub/login` };
}

// `settings` are those of the authenticator; `roles` say what groups may do.
export async function startHub({ url, callback, after }, { server, product, settings, roles }) {
  const folder = temporaryFolder("jupyterhub");
  const logout = new URLSearchParams({ client_id: product.client_id, post_logout_redirect_uri: after });
  const authenticator = {
    client_id: product.client_id,
    client_secret: product.client_secret,
    oauth_callback_url: callback,
    authorize_url: `${server.url}/oauth/authorize`,
    token_url: `${server.url}/oauth/token`,
    userdata_url: `${server.url}/oauth/userinfo`,
    username_claim: "email",
    scope: ["openid", "profile", "email", "roles", "groups"],
    manage_groups: true,
    logout_redirect_url: `${server.url}/oauth/logout?${logout}`,
    ...settings,
  };
  const config = {
    JupyterHub: {
      bind_url: url,
      hub_bind_url: `http://127.0.0.1:${await freePort()}`,
      db_url: `sqlite:///${join(folder.path, "hub.sqlite")}`,
      cookie_secret_file: join(folder.path, "cookie_secret"),
      authenticator_class: "generic-oauth",
      spawner_class: "simple",
      load_roles: roles,
    },
    ConfigurableHTTPProxy: { api_url: `http://127.0.0.1:${await freePort()}`, pid_file: join(folder.path, "proxy.pid") },
    GenericOAuthenticator: authenticator,
  };
  const file = join(folder.path, "jupyterhub_config.py");
  writeFileSync(join(folder.path, "settings.json"), JSON.stringify(config));
  writeFileSync(file, [
    "import json, pathlib",
    `for name, settings in json.loads(pathlib.Path(${JSON.stringify(join(folder.path, "settings.json"))}).read_text()).items():`,
    "    for key, value in settings.items():",
    "        setattr(c[name], key, value)",
    'c.GenericOAuthenticator.allowed_groups = set(c.GenericOAuthenticator.get("allowed_groups", []))',
    'c.GenericOAuthenticator.admin_groups = set(c.GenericOAuthenticator.get("admin_groups", []))',
    "",
  ].join("\n"));
  const bin = join(environment("jupyterhub"), "bin");
  const program = start(join(bin, "jupyterhub"), ["--config", file], {
    cwd: folder.path,
    env: { PATH: [bin, PROXY, process.env.PATH].join(delimiter) },
  });
  const stop = async () => {
    await program.stop();
    // A hub that fails leaves its proxy behind.
    try {
      process.kill(Number(readFileSync(join(folder.path, "proxy.pid"), "utf8").split("\n")[0]));
    } catch {
      // It is gone, as it should be.
    }
    folder.stop();
  };
  try {
    await program.ready("JupyterHub", async () => (await fetch(`${url}/hub/health`)).ok, { timeout_ms: 90_000, every_ms: 200 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, output: () => program.output, stop };
}
