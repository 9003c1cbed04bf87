import assert from "node:assert/strict";

// A browser that visits us and a provider: cookies by origin, redirects followed by hand.
export class Browser {
  #jars = new Map();

  async fetch(address, options = {}) {
    const url = new URL(address);
    const jar = this.#jars.get(url.origin) ?? new Map();
    this.#jars.set(url.origin, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(url, { redirect: "manual", ...options, headers: { ...(cookie ? { cookie } : {}), ...options.headers } });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(";");
      const at = pair.indexOf("=");
      if (/expires=Thu, 01 Jan 1970|max-age=0/i.test(line)) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }

  cookie(origin, name) {
    return this.#jars.get(origin)?.get(name);
  }

  // Goes where redirects and pages that move on lead, signs in at the provider as `login`, and stops at a page of `home`.
  async follow(address, home, login) {
    let at = String(address);
    for (let step = 0; step < 25; step += 1) {
      const answer = await this.fetch(at);
      const to = answer.headers.get("location");
      if (to) {
        at = String(new URL(to, at));
        continue;
      }
      const text = await answer.text();
      const hop = text.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1];
      if (hop) {
        at = hop.replaceAll("&#38;", "&");
        continue;
      }
      if (at.startsWith(home)) return { status: answer.status, text, at };
      const action = text.match(/<form[^>]*action="([^"]+)"/)?.[1];
      assert.ok(action, `a form of the provider at ${at}: ${answer.status} ${text.slice(0, 600)}`);
      const body = new URLSearchParams();
      for (const [, name, value] of text.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)) body.set(name, value);
      if (text.includes('name="login"')) {
        body.set("login", login);
        body.set("password", "any");
      }
      if (text.includes('name="logout"')) body.set("logout", "yes");
      const posted = await this.fetch(new URL(action.replaceAll("&amp;", "&"), at), { method: "POST", body });
      const next = posted.headers.get("location");
      assert.ok(next, `the provider goes on: ${posted.status} ${(await posted.text()).slice(0, 400)}`);
      at = String(new URL(next, at));
    }
    throw new Error(`goes in circles at ${at}`);
  }
}
