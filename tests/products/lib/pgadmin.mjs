// PyPI's pgAdmin with settings, database and sessions in a folder of the test.
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, start, temporaryFolder } from "../../kit/process.mjs";
import { environment, python } from "./python.mjs";

export async function pgadminAddresses() {
  const url = `http://127.0.0.1:${await freePort()}`;
  return { url, callback: `${url}/oauth2/authorize`, after: `${url}/` };
}

export async function startPgadmin({ url }, { server, product, claims }) {
  const folder = temporaryFolder("pgadmin");
  const logout = `${server.url}/oauth/logout?post_logout_redirect_uri={redirect_uri}&id_token_hint={id_token}`;
  const provider = {
    OAUTH2_NAME: "bailiwick",
    OAUTH2_DISPLAY_NAME: "Bailiwick",
    OAUTH2_CLIENT_ID: product.client_id,
    OAUTH2_CLIENT_SECRET: product.client_secret,
    OAUTH2_SERVER_METADATA_URL: `${server.url}/.well-known/openid-configuration`,
    OAUTH2_AUTHORIZATION_URL: `${server.url}/oauth/authorize`,
    OAUTH2_TOKEN_URL: `${server.url}/oauth/token`,
    OAUTH2_API_BASE_URL: `${server.url}/oauth/`,
    OAUTH2_USERINFO_ENDPOINT: "userinfo",
    OAUTH2_SCOPE: "openid profile email roles",
    OAUTH2_CHALLENGE_METHOD: "S256",
    OAUTH2_RESPONSE_TYPE: "code",
    OAUTH2_USERNAME_CLAIM: "email",
    OAUTH2_ADDITIONAL_CLAIMS: claims,
    OAUTH2_LOGOUT_URL: logout,
  };
  const settings = {
    SERVER_MODE: true,
    DATA_DIR: folder.path,
    DEFAULT_SERVER: "127.0.0.1",
    DEFAULT_SERVER_PORT: Number(new URL(url).port),
    AUTHENTICATION_SOURCES: ["oauth2", "internal"],
    OAUTH2_CONFIG: [provider],
    MASTER_PASSWORD_REQUIRED: false,
    UPGRADE_CHECK_ENABLED: false,
    CONSOLE_LOG_LEVEL: 30,
  };
  const file = join(folder.path, "config_distro.py");
  writeFileSync(join(folder.path, "settings.json"), JSON.stringify(settings));
  writeFileSync(file, `import json, pathlib\nglobals().update(json.loads(pathlib.Path(${JSON.stringify(join(folder.path, "settings.json"))}).read_text()))\n`);
  const lib = join(environment("pgadmin"), "lib");
  const script = join(lib, readdirSync(lib)[0], "site-packages/pgadmin4/pgAdmin4.py");
  const program = start(python("pgadmin"), [script], {
    cwd: folder.path,
    env: {
      HOME: folder.path,
      CONFIG_DISTRO_FILE_PATH: file,
      PGADMIN_SERVER_MODE: "ON",
      PGADMIN_SETUP_EMAIL: "root@idp.example.com",
      PGADMIN_SETUP_PASSWORD: "only for this test",
      PYTHONUNBUFFERED: "1",
    },
  });
  const stop = async () => {
    await program.stop();
    folder.stop();
  };
  try {
    await program.ready("pgAdmin", async () => (await fetch(`${url}/misc/ping`)).ok, { timeout_ms: 120_000, every_ms: 250 });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, output: () => program.output, stop };
}
