// A person at a browser between us and an identity provider: fills its forms, and carries its answers to us.
import assert from "node:assert/strict";

const NAMES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function plain(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return NAMES[name] ?? whole;
    return String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal));
  });
}

const attribute = (tag, name) => {
  const found = tag.match(new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)')`, "i"));
  return found && plain(found[1] ?? found[2]);
};

// What a page says, for the message of a failed test.
export function wordsOf(text) {
  const body = text.replace(/<(script|style|svg|head)\b[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]+>/g, " ");
  return plain(body).replace(/\s+/g, " ").slice(0, 1200);
}

// The first form of a page that sends something, with its fields.
function formOf(text, at) {
  for (const [, head, inside] of text.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)) {
    if (!/method=["']?post/i.test(head)) continue;
    const fields = new Map();
    for (const [tag] of inside.matchAll(/<input\b[^>]*>/gi)) {
      const name = attribute(tag, "name");
      const kind = attribute(tag, "type") ?? "text";
      if (name && !/submit|button|checkbox|radio/i.test(kind)) fields.set(name, attribute(tag, "value") ?? "");
    }
    return { action: new URL(attribute(head, "action") || at, at), fields };
  }
  return undefined;
}

const hopOf = (text) => {
  const found = text.match(/http-equiv="refresh" content="0; url=([^"]+)"/)?.[1];
  return found && plain(found);
};

// Goes where redirects, pages that move on and forms lead, types `typed` where a form asks for it, and ends at a page of ours,
// at an address that `ends` matches, or at a page of the provider that asks for nothing. In a frame, a page that refuses to be framed moves nobody on.
export async function walk(browser, address, { home, typed = {}, framed = false, ends, seen = () => {} }) {
  let at = String(address);
  for (let step = 0; step < 30; step += 1) {
    seen(at);
    let answer = await browser.fetch(at, { headers: { accept: "text/html" } });
    for (let turn = 0; turn < 10; turn += 1) {
      const to = answer.headers.get("location");
      if (to) {
        at = String(new URL(to, at));
        break;
      }
      const text = await answer.text();
      const alone = /frame-ancestors 'none'/.test(answer.headers.get("content-security-policy") ?? "");
      const hop = framed && alone ? undefined : hopOf(text);
      if (hop) {
        at = hop;
        break;
      }
      const form = at.startsWith(home) || ends?.test(at) ? undefined : formOf(text, at);
      if (!form) return { status: answer.status, text, at };
      for (const name of form.fields.keys()) if (name in typed) form.fields.set(name, typed[name]);
      at = String(form.action);
      seen(at, form.fields);
      const options = { method: "POST", body: new URLSearchParams([...form.fields]), headers: { accept: "text/html" } };
      // A form of another site brings no cookie of ours.
      answer = at.startsWith(home) ? await fetch(at, { redirect: "manual", ...options }) : await browser.fetch(at, options);
      if (at.startsWith(home) && !answer.headers.get("location")) {
        const said = await answer.text();
        const next = hopOf(said);
        if (!next) return { status: answer.status, text: said, at };
        at = next;
        break;
      }
      assert.ok(turn < 9, `goes in circles at ${at}`);
    }
  }
  throw new Error(`goes in circles at ${at}`);
}

// What a page loads in frames and pictures from elsewhere: how some providers tell everybody of a sign-out.
export function framesOf(text, own) {
  const tags = [...text.matchAll(/<(?:iframe|img)\b[^>]*>/gi)].map(([tag]) => attribute(tag, "src")).filter(Boolean);
  return tags.map((src) => String(new URL(src, own))).filter((src) => !src.startsWith(own));
}

// Signs out here, and goes on where that leads.
export async function signOut(browser, server) {
  const page = await walk(browser, `${server.url}/account`, { home: server.url });
  const csrf = page.text.match(/name="csrf" value="([^"]+)"/)[1];
  const answer = await browser.fetch(`${server.url}/sign-out`, { method: "POST", body: new URLSearchParams({ csrf }) });
  const to = answer.headers.get("location");
  return to ? new URL(to, server.url) : new URL(hopOf(await answer.text()) ?? "/sign-in", server.url);
}

// Whether somebody is signed in here.
export async function isIn(browser, server) {
  return (await browser.fetch(`${server.url}/account`)).status === 200;
}

// Whether the provider asks who somebody is, or knows it still.
export async function isAsked(browser, begin) {
  let at = begin;
  for (let step = 0; step < 8; step += 1) {
    const answer = await browser.fetch(at, { headers: { accept: "text/html" } });
    const text = await answer.text();
    const to = answer.headers.get("location") ?? hopOf(text);
    if (!to) return /type=["']?password/i.test(text);
    at = String(new URL(to, at));
  }
  throw new Error(`goes in circles at ${at}`);
}
