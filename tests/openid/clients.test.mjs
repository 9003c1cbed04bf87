// npm's openid-client (and oauth4webapi, which it stands on) signs people in through the program, as a product does.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as openid from "openid-client";
import { AFTER, agree, CALLBACK, EMAIL, installation } from "./lib/person.mjs";

const CODE = ["--redirect-uri", CALLBACK, "--logout-uri", AFTER];

// Registers a product from the command line and lets the library find everything else by discovery.
async function product(server, words, authentication, metadata) {
  const made = await server.cli("product", "create", "--name", "Notebooks", "--everyone", "true", "--json", ...words);
  const execute = [openid.allowInsecureRequests];
  const proof = authentication?.(made.client_secret);
  return openid.discovery(new URL(server.url), made.client_id, metadata ?? made.client_secret, proof, { execute });
}

async function asked(extra = {}) {
  const verifier = openid.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: CALLBACK,
    scope: "openid profile email offline_access",
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: openid.randomState(),
    nonce: openid.randomNonce(),
    ...extra,
  };
  const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce, idTokenExpected: true };
  return { parameters, checks };
}

async function signIn(config, visitor, { dpop, par } = {}) {
  const { parameters, checks } = await asked();
  const options = dpop ? { DPoP: dpop } : undefined;
  const address = par
    ? await openid.buildAuthorizationUrlWithPAR(config, parameters, options)
    : openid.buildAuthorizationUrl(config, parameters);
  const back = await agree(visitor, address);
  return openid.authorizationCodeGrant(config, back, checks, undefined, options);
}

test("openid-client signs in, refreshes, looks, and signs out", async (t) => {
  const { server, visitor } = await installation(t);
  for (const [name, authentication] of [["post", openid.ClientSecretPost], ["basic", openid.ClientSecretBasic]]) {
    await t.test(`with client_secret_${name}`, async () => {
      const config = await product(server, CODE, authentication);
      const tokens = await signIn(config, visitor);
      const claims = tokens.claims();
      assert.equal(claims.iss, server.url);
      const info = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
      assert.deepEqual([info.name, info.email, info.email_verified], ["Nora Winter", EMAIL, true]);
      const again = await openid.refreshTokenGrant(config, tokens.refresh_token);
      assert.notEqual(again.refresh_token, tokens.refresh_token);
      assert.equal((await openid.tokenIntrospection(config, again.access_token)).active, true);
      await openid.tokenRevocation(config, again.refresh_token);
      assert.equal((await openid.tokenIntrospection(config, again.access_token)).active, false);
      await assert.rejects(openid.refreshTokenGrant(config, again.refresh_token), { error: "invalid_grant" });
    });
  }

  for (const algorithm of ["ES256", "EdDSA", "RS256"]) {
    await t.test(`ID tokens signed with ${algorithm} are believed`, async () => {
      const config = await product(server, [...CODE, "--id-token-algorithm", algorithm]);
      assert.ok((await signIn(config, visitor)).claims().sub);
    });
  }

  await t.test("with a pushed request", async () => {
    const config = await product(server, [...CODE, "--requires-par", "true"]);
    assert.ok((await signIn(config, visitor, { par: true })).claims().sub);
  });

  await t.test("as an app without a secret, its tokens bound to a key", async () => {
    const words = [...CODE, "--authentication", "none", "--requires-dpop", "true"];
    const config = await product(server, words, openid.None);
    const dpop = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair("ES256"));
    const tokens = await signIn(config, visitor, { dpop });
    assert.equal(tokens.token_type, "dpop");
    const info = await openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP: dpop });
    assert.equal(info.email, EMAIL);
    await openid.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: dpop });
    await assert.rejects(openid.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  });

  await t.test("for itself", async () => {
    const words = ["--grant-types", "client_credentials", "--scopes", "records:read", "--audience", "https://api.example"];
    const config = await product(server, words);
    const tokens = await openid.clientCredentialsGrant(config, { scope: "records:read", resource: "https://api.example" });
    assert.equal((await openid.tokenIntrospection(config, tokens.access_token)).aud, "https://api.example");
  });

  await t.test("on a device without a keyboard", async () => {
    const words = ["--authentication", "none", "--grant-types", "device_code,refresh_token"];
    const config = await product(server, words, openid.None);
    const begun = await openid.initiateDeviceAuthorization(config, { scope: "openid email" });
    const tokens = openid.pollDeviceAuthorizationGrant(config, begun);
    await visitor.submit("/oauth/device", { user_code: begun.user_code, decision: "allow" });
    const claims = (await tokens).claims();
    assert.equal((await openid.fetchUserInfo(config, (await tokens).access_token, claims.sub)).email, EMAIL);
  });

  await t.test("and signs out for good", async () => {
    const config = await product(server, CODE);
    const tokens = await signIn(config, visitor);
    const parameters = { post_logout_redirect_uri: AFTER, id_token_hint: tokens.id_token, state: "bye" };
    const left = await agree(visitor, openid.buildEndSessionUrl(config, parameters));
    assert.equal(String(left), `${AFTER}?state=bye`);
    assert.equal((await visitor.fetch("/account")).status, 303);
  });
});
