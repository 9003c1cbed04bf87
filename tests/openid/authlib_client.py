"""One sign-in with authlib: prints the address to open, reads where the browser came back, prints what it learned."""

import json
import os
import sys

from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


def main() -> None:
    issuer, client_id, secret, callback = sys.argv[1:5]
    session = OAuth2Session(
        client_id, secret, scope="openid profile email offline_access", redirect_uri=callback, code_challenge_method="S256"
    )
    metadata = session.get(f"{issuer}/.well-known/openid-configuration", withhold_token=True).json()
    verifier = "seven-grey-herons-over-the-weir-seven-grey-herons"
    address, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce="nonce-of-authlib"
    )
    print(address, flush=True)
    back = sys.stdin.readline().strip()
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
    )
    keys = JsonWebKey.import_key_set(session.get(metadata["jwks_uri"], withhold_token=True).json())
    claims = JsonWebToken(metadata["id_token_signing_alg_values_supported"]).decode(
        token["id_token"],
        keys,
        claims_options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "nonce": {"essential": True, "value": "nonce-of-authlib"},
        },
    )
    claims.validate()
    info = session.get(metadata["userinfo_endpoint"]).json()
    refreshed = session.refresh_token(metadata["token_endpoint"])
    gone = session.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"])
    print(json.dumps({"claims": dict(claims), "userinfo": info, "rotated": refreshed["refresh_token"] != token["refresh_token"], "revoked": gone.status_code}))


main()
