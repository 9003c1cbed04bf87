// A directory that is provisioned as Microsoft Entra ID does it: it looks a person up before it makes them, makes groups
// empty and fills them by PATCH, writes `Add`, `Replace` and the text "False", and goes on after a stop from where it was.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const CORE = "urn:ietf:params:scim:schemas:core:2.0";
const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const MEMBERS_A_PATCH = 100;

// What the directory holds: people and groups with numbers as names, the same for the same sizes.
export function directory({ people, groups, domain }) {
  const members = Array.from({ length: groups }, () => []);
  for (let n = 0; n < people; n++) {
    // Everybody in two groups, spread.
    members[n % groups].push(n);
    const second = (n * 7 + 3) % groups;
    if (second !== n % groups) members[second].push(n);
  }
  return {
    people: Array.from({ length: people }, (_, n) => ({ userName: `p${n}@${domain}`, displayName: `Person ${n}`, active: true, department: `D${n % 40}` })),
    groups: members.map((list, n) => ({ displayName: `Entra group ${n}`, members: list })),
  };
}

// provision({ url, token, wanted, state, lanes, onProgress }): one cycle. `state` is a file: ids by number, and what the
// last cycle wrote, so that only what changed is sent, and a cycle that was stopped goes on.
export async function provision({ url, token, wanted, state, lanes = 16, onProgress = () => {}, stop = () => false }) {
  const known = existsSync(state) ? JSON.parse(readFileSync(state, "utf8")) : { people: {}, groups: {} };
  const keep = () => writeFileSync(state, JSON.stringify(known));
  const send = requester(url, token);
  const sent = { looked: 0, made: 0, changed: 0, patches: 0 };
  const total = wanted.people.length + wanted.groups.length;
  let done = 0;

  const each = async (list, work) => {
    let next = 0;
    let failed;
    const lane = async () => {
      while (next < list.length && !stop() && !failed) {
        const n = next++;
        try {
          await work(list[n], n);
        } catch (error) {
          failed ??= error;
          return;
        }
        done += 1;
        if (done % Math.max(1, Math.floor(total / 20)) === 0) {
          keep();
          onProgress(done, total);
        }
      }
    };
    // All lanes have ended before anybody is told: one that went on would do the next cycle's work beside it.
    await Promise.all(Array.from({ length: lanes }, lane));
    if (failed) throw failed;
  };

  await each(wanted.people, async (one, n) => {
    const before = known.people[n];
    if (!before) {
      const found = await send("GET", `/Users?filter=${encodeURIComponent(`userName eq "${one.userName}"`)}`);
      sent.looked += 1;
      const id = found.Resources?.[0]?.id ?? (await send("POST", "/Users", user(one, n), 201)).id;
      sent.made += 1;
      known.people[n] = { id, ...one };
      return;
    }
    const Operations = [];
    if (before.displayName !== one.displayName) Operations.push({ op: "Replace", path: "displayName", value: one.displayName });
    if (before.department !== one.department) Operations.push({ op: "Replace", path: `${ENTERPRISE}:department`, value: one.department });
    if (before.active !== one.active) Operations.push({ op: "Replace", path: "active", value: one.active ? "True" : "False" });
    if (Operations.length === 0) return;
    await send("PATCH", `/Users/${before.id}`, { schemas: [PATCH], Operations }, 200);
    sent.changed += 1;
    known.people[n] = { id: before.id, ...one };
  });

  await each(wanted.groups, async (one, n) => {
    let before = known.groups[n];
    if (!before) {
      const filter = encodeURIComponent(`displayName eq "${one.displayName}"`);
      const found = await send("GET", `/Groups?excludedAttributes=members&filter=${filter}`);
      sent.looked += 1;
      const id = found.Resources?.[0]?.id ?? (await send("POST", "/Groups", { schemas: [`${CORE}:Group`], displayName: one.displayName, externalId: `g-${n}` }, 201)).id;
      before = known.groups[n] = { id, members: [] };
      sent.made += 1;
    }
    const had = new Set(before.members);
    const has = new Set(one.members);
    const add = one.members.filter((m) => !had.has(m));
    const remove = before.members.filter((m) => !has.has(m));
    for (const [op, list] of [["Add", add], ["Remove", remove]]) {
      for (let at = 0; at < list.length && !stop(); at += MEMBERS_A_PATCH) {
        const part = list.slice(at, at + MEMBERS_A_PATCH);
        const value = part.map((m) => ({ value: known.people[m].id }));
        await send("PATCH", `/Groups/${before.id}`, { schemas: [PATCH], Operations: [{ op, path: "members", value }] }, [200, 204]);
        sent.patches += 1;
        const gone = new Set(part);
        before.members = op === "Add" ? [...before.members, ...part] : before.members.filter((m) => !gone.has(m));
      }
    }
  });
  keep();
  return { sent, ids: known };
}

// Everything that the other side holds, page by page, beside what should be there: a list of differences.
export async function compare({ url, token, wanted, ids }) {
  const send = requester(url, token);
  const drift = [];
  const numbers = new Map(Object.entries(ids.people).map(([n, { id }]) => [id, Number(n)]));
  const groupNumbers = new Map(Object.entries(ids.groups).map(([n, { id }]) => [id, Number(n)]));
  let people = 0;
  for await (const one of all(send, "/Users")) {
    const n = numbers.get(one.id);
    if (n === undefined) continue; // of somebody else's making, before
    people += 1;
    const should = wanted.people[n];
    const is = { userName: one.userName, displayName: one.displayName, active: one.active, department: one[ENTERPRISE]?.department };
    if (JSON.stringify(is) !== JSON.stringify(should)) drift.push({ person: n, is, should });
  }
  if (people !== wanted.people.length) drift.push({ people, should: wanted.people.length });
  let groups = 0;
  for await (const one of all(send, "/Groups")) {
    const n = groupNumbers.get(one.id);
    if (n === undefined) continue;
    groups += 1;
    const is = (one.members ?? []).map(({ value }) => numbers.get(value)).sort((a, b) => a - b);
    const should = [...wanted.groups[n].members].sort((a, b) => a - b);
    if (JSON.stringify(is) !== JSON.stringify(should)) drift.push({ group: n, is: is.length, should: should.length });
  }
  if (groups !== wanted.groups.length) drift.push({ groups, should: wanted.groups.length });
  return drift;
}

async function* all(send, path) {
  for (let start = 1; ; ) {
    const page = await send("GET", `${path}?startIndex=${start}&count=200`);
    yield* page.Resources ?? [];
    start += page.itemsPerPage;
    if (!page.itemsPerPage || start > page.totalResults) return;
  }
}

function user(one, n) {
  const [givenName, familyName] = one.displayName.split(" ");
  return {
    schemas: [`${CORE}:User`, ENTERPRISE],
    externalId: `e-${n}`,
    userName: one.userName,
    active: one.active,
    displayName: one.displayName,
    emails: [{ primary: true, type: "work", value: one.userName }],
    name: { formatted: one.displayName, givenName, familyName },
    [ENTERPRISE]: { department: one.department, employeeNumber: String(n) },
  };
}

function requester(url, token) {
  return async (method, path, body, wanted = 200) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/scim+json", accept: "application/scim+json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (![wanted].flat().includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 500)}`);
    return text ? JSON.parse(text) : {};
  };
}
