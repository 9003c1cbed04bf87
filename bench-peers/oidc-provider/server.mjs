// oidc-provider as its guide says for programs that get tokens for themselves, with a store in this process's memory: the
// quickest it can have, and nothing of it survives a restart. `jwt` issues ES256 access tokens (line 2), `opaque` tokens that
// are introspected and revoked (line 3).
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [clients, tokens] = [Number(process.argv[2]), process.argv[3]];
const RESOURCE = "https://api.example";

// The one that comes with it forgets all but the last thousand.
const stores = new Map();
class Memory {
  constructor(name) {
    if (!stores.has(name)) stores.set(name, new Map());
    this.store = stores.get(name);
  }
  async upsert(id, payload) { this.store.set(id, payload); }
  async find(id) { return this.store.get(id); }
  async findByUid(uid) { for (const one of this.store.values()) if (one.uid === uid) return one; }
  async findByUserCode() { return undefined; }
  async consume(id) { this.store.get(id).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { this.store.delete(id); }
  async revokeByGrantId(grant) { for (const [id, one] of this.store) if (one.grantId === grant) this.store.delete(id); }
}

const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
const server = createServer();
server.keepAliveTimeout = 600_000;
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    adapter: Memory,
    jwks: { keys: [{ ...key, use: "sig", alg: "ES256", kid: "bench" }] },
    clientDefaults: { id_token_signed_response_alg: "ES256", token_endpoint_auth_method: "client_secret_basic" },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
    clients: Array.from({ length: clients }, (_, n) => ({
      client_id: `client-${n}`,
      client_secret: `secret-${n}-of-a-throw-away-server`,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope: "records:read",
    })),
    scopes: ["records:read"],
    ttl: { ClientCredentials: 3600 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: {
        enabled: tokens === "jwt",
        defaultResource: async () => RESOURCE,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: "records:read",
          audience: RESOURCE,
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "ES256" } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ url }));
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
