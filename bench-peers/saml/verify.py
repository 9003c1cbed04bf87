"""Verifies the documents of a folder with python3-saml, one after the other, for so many milliseconds, with its own
settings as they come: strict, and the schemas validated."""

import base64
import json
import pathlib
import sys
import time
import urllib.parse

from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

FOLDER, MILLIS = pathlib.Path(sys.argv[1]), float(sys.argv[2])
GIVEN = json.loads((FOLDER / "settings.json").read_text())
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
ACS = urllib.parse.urlsplit(GIVEN["acs"])
REQUEST = {
    "https": "on",
    "http_host": ACS.netloc,
    "script_name": ACS.path,
    "server_port": "443",
    "get_data": {},
    "post_data": {},
}
SETTINGS = OneLogin_Saml2_Settings({
    "strict": True,
    "sp": {
        "entityId": GIVEN["audience"],
        "assertionConsumerService": {"url": GIVEN["acs"], "binding": POST},
        "NameIDFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    },
    "idp": {
        "entityId": GIVEN["issuer"],
        "singleSignOnService": {"url": GIVEN["issuer"], "binding": REDIRECT},
        "x509cert": GIVEN["certificate"],
    },
})


def load(name):
    return [base64.b64encode(file.read_bytes()).decode() for file in sorted((FOLDER / name).iterdir())]


def who(text):
    """Who is let in, and why nobody is."""
    try:
        response = OneLogin_Saml2_Response(SETTINGS, text)
        if response.is_valid(REQUEST, GIVEN["request"]):
            return response.get_nameid(), ""
        return None, str(response.get_error())
    except Exception as error:  # a refusal may come as any of its exceptions
        return None, str(error)


def main():
    genuine, forged = load("genuine"), load("forged")
    said = {"genuine": 0, "genuine_refused": 0, "forged": 0, "forged_accepted": 0, "why": ""}
    number, began = 0, time.monotonic()
    while (time.monotonic() - began) * 1000 < MILLIS:
        if number % 100 == 99:
            let_in, _ = who(forged[number // 100 % len(forged)])
            said["forged"] += 1
            said["forged_accepted"] += let_in == GIVEN["evil"]
        else:
            let_in, why = who(genuine[number % len(genuine)])
            said["genuine"] += 1
            if let_in is None or not let_in.endswith(GIVEN["domain"]):
                said["genuine_refused"] += 1
                said["why"] = why
        number += 1
    said["per_second"] = number / (time.monotonic() - began)
    # Beside the rate: every kind of forgery once more, since a slow verifier met few of them.
    for text in forged[:: GIVEN["bases"]]:
        let_in, _ = who(text)
        said["forged"] += 1
        said["forged_accepted"] += let_in == GIVEN["evil"]
    print(json.dumps(said))


main()
