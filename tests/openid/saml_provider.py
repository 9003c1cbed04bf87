"""PyPI's pysaml2 as an organization's SAML identity provider.

Usage: saml_provider.py FOLDER ENTITY_ID SSO_URL [post]. Takes requests by redirect, or by a form alone. Writes FOLDER/idp.xml and says `ready`; then each line of JSON is answered by one:
{"do": "trust"} reads the service provider's metadata from FOLDER/sp.xml; {"do": "answer", "query": {…}, "name_id": …, "attributes": {…},
"encrypt": bool, "sign": bool} checks the request's signature and gives the form's fields.
"""

import datetime
import json
import pathlib
import shutil
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, xmldsig
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.response import IncorrectlySigned
from saml2.saml import AUTHN_PASSWORD_PROTECTED, NAMEID_FORMAT_PERSISTENT, NAME_FORMAT_BASIC, NameID
from saml2.server import Server


BINDING = BINDING_HTTP_POST if sys.argv[4:] == ["post"] else BINDING_HTTP_REDIRECT


def make_key(folder):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=365)).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / "idp.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    (folder / "idp.crt").write_bytes(certificate.public_bytes(pem))


def config(folder, entity_id, sso, partners):
    policy = {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_BASIC, "sign_response": False}}
    service = {"endpoints": {"single_sign_on_service": [(sso, BINDING)]}, "want_authn_requests_signed": True, "policy": policy}
    words = {
        "entityid": entity_id,
        "service": {"idp": service},
        "key_file": str(folder / "idp.key"),
        "cert_file": str(folder / "idp.crt"),
        "xmlsec_binary": shutil.which("xmlsec1"),
        "signing_algorithm": xmldsig.SIG_RSA_SHA256,
        "digest_algorithm": xmldsig.DIGEST_SHA256,
    }
    if partners:
        words["metadata"] = {"local": [str(folder / "sp.xml")]}
    return IdPConfig().load(words)


def answer(server, wanted):
    query = wanted["query"]
    # By a form the signature stands in the message; in a query it is a parameter.
    signature = {} if BINDING == BINDING_HTTP_POST else {"sigalg": query["SigAlg"], "signature": query["Signature"]}
    asked = server.parse_authn_request(query["SAMLRequest"], BINDING, relay_state=query["RelayState"], **signature)
    message = asked.message
    response = server.create_authn_response(
        identity=wanted["attributes"],
        in_response_to=message.id,
        destination=message.assertion_consumer_service_url,
        sp_entity_id=message.issuer.text,
        name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=wanted["name_id"]),
        authn={"class_ref": AUTHN_PASSWORD_PROTECTED, "authn_auth": ""},
        sign_assertion=wanted.get("sign", True),
        sign_response=wanted.get("sign", True),
        encrypt_assertion=wanted.get("encrypt", False),
        encrypt_assertion_self_contained=wanted.get("encrypt", False),
        sign_alg=xmldsig.SIG_RSA_SHA256,
        digest_alg=xmldsig.DIGEST_SHA256,
    )
    return {"to": message.assertion_consumer_service_url, "response": str(response), "relay_state": query["RelayState"]}


def main():
    folder, entity_id, sso = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    make_key(folder)
    (folder / "idp.xml").write_text(str(entity_descriptor(config(folder, entity_id, sso, False))))
    print(json.dumps("ready"), flush=True)
    server = None
    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["do"] == "trust":
            server = Server(config=config(folder, entity_id, sso, True))
            said = "ready"
        else:
            try:
                said = answer(server, wanted)
            except IncorrectlySigned as error:
                said = {"refused": True, "why": str(error)}
        print(json.dumps(said), flush=True)


main()
