// Passkeys: a form with `data-passkey` fetches its question from `data-options`, asks the authenticator, puts the
// answer into its field `credential` and goes on as an ordinary form. Without WebAuthn the form stays hidden.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // What the API says, in the form that the browser takes (WebAuthn Level 3 §5.1).
  function question(options) {
    const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
    const key = { ...options, challenge: bytes(options.challenge) };
    if (options.user) key.user = { ...options.user, id: bytes(options.user.id) };
    if (options.excludeCredentials) key.excludeCredentials = named(options.excludeCredentials);
    if (options.allowCredentials) key.allowCredentials = named(options.allowCredentials);
    return key;
  }

  function answer(credential) {
    const given = credential.response;
    const response = { clientDataJSON: text(given.clientDataJSON) };
    if (given.attestationObject) response.attestationObject = text(given.attestationObject);
    if (given.authenticatorData) response.authenticatorData = text(given.authenticatorData);
    if (given.signature) response.signature = text(given.signature);
    if (given.userHandle && given.userHandle.byteLength > 0) response.userHandle = text(given.userHandle);
    return { id: credential.id, rawId: credential.id, type: credential.type, response };
  }

  async function ask(form) {
    const headers = { "content-type": "application/json", "x-csrf-token": form.elements.csrf.value };
    const got = await fetch(form.dataset.options, { method: "POST", headers, body: "{}", credentials: "same-origin" });
    const options = await got.json();
    if (got.status === 403 && String(options.type).endsWith("/step-up-required")) {
      location.assign(`/confirm?next=${encodeURIComponent(location.pathname)}`);
      return null;
    }
    if (!got.ok) throw new Error(options.detail || options.title);
    const publicKey = question(options);
    const make = form.dataset.passkey === "create";
    const credential = make ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
    return answer(credential);
  }

  function explain(error) {
    if (error.name === "NotAllowedError") return "Nothing was done: it was cancelled, took too long, or there is no passkey for this site here.";
    if (error.name === "InvalidStateError") return "This device holds a passkey for this site already.";
    return error.message;
  }

  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    form.hidden = false;
    const said = form.querySelector("[role=alert]");
    form.addEventListener("submit", async (event) => {
      if (form.elements.credential.value) return;
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      said.hidden = true;
      try {
        const credential = await ask(form);
        if (!credential) return;
        form.elements.credential.value = JSON.stringify(credential);
        form.submit();
      } catch (error) {
        said.textContent = explain(error);
        said.hidden = false;
        button.disabled = false;
      }
    });
  });
})();
