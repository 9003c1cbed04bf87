// What every client's test needs: an installation with its owner, and a person at a browser who agrees.
import assert from "node:assert/strict";
import { PASSWORD, setUpLink, Visitor } from "../../e2e/lib/people.mjs";
import { startBailiwick } from "../../e2e/lib/server.mjs";
import { peopleOf } from "./organization.mjs";

export const CALLBACK = "http://127.0.0.1:9/callback";
export const AFTER = "http://127.0.0.1:9/bye";
export const EMAIL = "nora@northwind-cloud.dev";

export async function installation(t, env = {}) {
  const server = await startBailiwick({ env });
  t.after(server.stop);
  const visitor = new Visitor(server);
  const fields = { provider: "Northwind Cloud", email: EMAIL, name: "Nora Winter", password: PASSWORD };
  await visitor.submit(new URL(await setUpLink(server)).pathname, fields);
  return { server, visitor };
}

const plain = (text) => text.replaceAll("&#38;", "&").replaceAll("&#34;", '"');

// What a person at a browser does: follows, agrees, follows. Ends with the address that leaves for the product.
export async function agree(visitor, address) {
  let at = String(address);
  for (let step = 0; step < 8; step += 1) {
    const answer = await visitor.fetch(at);
    const text = await answer.text();
    if (answer.status === 303) {
      const to = answer.headers.get("location");
      const url = new URL(to, visitor.server.url);
      if (url.origin !== visitor.server.url) return url;
      at = to;
      continue;
    }
    assert.equal(answer.status, 200, text);
    const hop = text.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1];
    if (hop) return new URL(plain(hop));
    const [, action, inside] = text.match(/<form class="form" method="post" action="([^"]+)">([\s\S]*?)<\/form>/) ?? [];
    assert.ok(action, `a question at ${at}: ${text}`);
    const hidden = [...inside.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)];
    const body = new URLSearchParams([...hidden.map(([, name, value]) => [name, plain(value)]), ["decision", "allow"]]);
    const posted = await visitor.fetch(plain(action), { method: "POST", body });
    const next = (await posted.text()).match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1];
    assert.ok(next, `an answer to the question at ${at}: ${posted.status}`);
    return new URL(plain(next));
  }
  throw new Error(`goes in circles at ${at}`);
}

// Opens a page of a product. Where it leads to us, the person agrees; the browser keeps the product's cookies. Ends at a page.
export async function visit(browser, visitor, address, options = {}) {
  let at = String(address);
  for (let step = 0; step < 20; step += 1) {
    if (new URL(at).origin === visitor.server.url) {
      at = String(await agree(visitor, at));
      continue;
    }
    const answer = await browser.fetch(at, options);
    const to = answer.headers.get("location");
    if (!to) return { status: answer.status, headers: answer.headers, text: await answer.text(), at };
    at = String(new URL(to, at));
  }
  throw new Error(`goes in circles at ${at}`);
}

// The organization that runs the installation, with its people.
export async function theProvider(server) {
  const { slug } = (await server.cli("organization", "list", "--json")).find((one) => one.kind === "provider");
  const words = ["--organization", slug, "--json"];
  return { slug, words, people: await peopleOf({ server, slug, words }) };
}
