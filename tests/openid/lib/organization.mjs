// A demo installation with the organization that people sign in to: it has a verified domain.
import assert from "node:assert/strict";
import { apiOf } from "../../e2e/lib/people.mjs";
import { startBailiwick } from "../../e2e/lib/server.mjs";

export async function organization(t, env = {}) {
  const server = await startBailiwick({ args: ["--demo"], env: { BAILIWICK_RATE_LIMIT_PERCENT: "0", ...env }, ready_ms: 180_000 });
  t.after(() => server.stop());
  const customers = (await server.cli("organization", "list", "--json")).filter((one) => one.kind === "customer");
  for (const { slug } of customers) {
    const found = (await server.cli("domain", "list", "--organization", slug, "--json")).find((name) => name.state === "verified");
    if (found) return { server, slug, domain: found.name, words: ["--organization", slug, "--json"] };
  }
  assert.fail("the demo has an organization with a verified domain");
}

// People and groups of an organization, by the API.
export async function peopleOf({ server, slug, words }) {
  const made = await server.cli("token", "create", "--scopes", "people.read,people.manage", ...words);
  const api = apiOf(server, made.secret);
  const at = `/api/v1/organizations/${slug}`;
  const person = async (email) => (await api.get(`${at}/people?q=${encodeURIComponent(email)}`)).items[0];
  const member = async (group, email) => `${at}/groups/${group}/members/${(await person(email)).id}`;
  return {
    person,
    group: async (name) => (await api.post(`${at}/groups`, { name })).id,
    join: async (group, email) => api.put(await member(group, email)),
    leave: async (group, email) => api.delete(await member(group, email)),
    membersOf: async (group) => (await api.get(`${at}/groups/${group}/members`)).items.map((one) => one.email),
  };
}
