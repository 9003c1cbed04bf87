// What people do here before a story can begin: get an account, sign in, ask the API.
import assert from "node:assert/strict";
import { until } from "../../kit/process.mjs";

// What everybody types where the program wants a new password.
export const PASSWORD = "seven grey herons wade past noon";

// The first link of a mail that leads to `path`.
export function linkIn(mail, server, path) {
  const found = mail.text.match(new RegExp(`${server.url}${path}\\S+`));
  assert.ok(found, `a link to ${path} in the mail "${mail.headers.subject}":\n${mail.text}`);
  return found[0];
}

// The one-time link that an empty installation prints.
export function setUpLink(server) {
  return until("the set-up link", () => server.output().match(/set up this installation: (\S+)/)?.[1]);
}

// A person's browser without the browser: keeps cookies, fills a form's token in.
export class Visitor {
  #cookies = new Map();

  constructor(server) {
    this.server = server;
  }

  async fetch(path, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const url = new URL(path, this.server.url);
    const headers = { ...(cookie ? { cookie } : {}), ...options.headers };
    const response = await fetch(url, { redirect: "manual", ...options, headers });
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split("=");
      this.#cookies.set(name, value);
    }
    return response;
  }

  // Opens the page at `path` and sends its form with these fields.
  async submit(path, fields) {
    const page = await (await this.fetch(path)).text();
    const csrf = page.match(/name="csrf" value="([^"]+)"/)?.[1];
    assert.ok(csrf, `a form at ${path}`);
    const response = await this.fetch(path, { method: "POST", body: new URLSearchParams({ csrf, ...fields }) });
    const text = await response.text();
    assert.ok(response.status < 400, `${response.status} from ${path}: ${text.replace(/<[^>]+>/g, " ").slice(0, 400)}`);
    return response;
  }
}

// Signs somebody up as everybody does: address, mail, link, password.
export async function signUp(server, smtp, { email, name, password = PASSWORD }) {
  const asked = await fetch(`${server.url}/api/v1/sign-ups`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email }),
  });
  assert.equal(asked.status, 202, await asked.text());
  const mail = await smtp.next((m) => m.to.includes(email), { timeout_ms: 60_000 });
  const visitor = new Visitor(server);
  await visitor.submit(linkIn(mail, server, "/sign-up/"), { name, password });
  return visitor;
}

// Fills the sign-in page; ends where the person wanted to go.
export async function signIn(page, server, { email, password = PASSWORD }, path = "/") {
  await page.context().clearCookies();
  await page.goto(`${server.url}/sign-in?next=${encodeURIComponent(path)}`);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

// The API with a token: `api.get(path)`, `api.post(path, body)` and so on give the parsed answer.
export function apiOf(server, token) {
  const call = async (method, path, body) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${response.status} from ${method} ${path}: ${text.slice(0, 400)}`);
    return text ? JSON.parse(text) : undefined;
  };
  const bare = (method) => (path) => call(method, path);
  return { get: bare("GET"), put: bare("PUT"), delete: bare("DELETE"), post: (path, body) => call("POST", path, body ?? {}) };
}

// Moves the server's clock, which stands still otherwise.
export async function advance(server, seconds) {
  const response = await fetch(`${server.url}/test/clock/advance?seconds=${seconds}`, { method: "POST" });
  assert.equal(response.status, 200, await response.text());
}

// `work` for each item, a few at a time.
export async function forEachFew(items, few, work) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: few }, worker));
}
