"""Makes what bench line 6 verifies: sign-ins of 6 KB, their assertion signed by xmlsec with a new RSA key of 2,048 bits,
and forgeries around them: signature wrapping after Somorovsky et al. (XSW1 to XSW8), a changed name, no signature."""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

from onelogin.saml2.constants import OneLogin_Saml2_Constants as names
from onelogin.saml2.utils import OneLogin_Saml2_Utils as utils

FOLDER = pathlib.Path(sys.argv[1])
GENUINE = 50
BASES = 4  # genuine documents that every kind of forgery is made of
DOMAIN = "@acme.example"
EVIL = "owner" + DOMAIN
ISSUER = "https://idp.example/saml"
AUDIENCE = "https://sp.example/saml/acme/metadata"
ACS = "https://sp.example/saml/acme/acs"
REQUEST = "_request1"
GROUPS = 25  # attribute values: they make the six kilobytes
CLOSE = "</samlp:Response>"


def at(minutes):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def key_and_certificate(work):
    key, certificate = work / "key.pem", work / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=idp.example",
         "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return key.read_text(), certificate.read_text()


def assertion(number):
    values = "".join(
        f'<saml:AttributeValue>cn=group-{number:03}-{group:03},ou=groups,dc=acme,dc=example</saml:AttributeValue>'
        for group in range(GROUPS)
    )
    return (
        f'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion{number}" Version="2.0" '
        f'IssueInstant="{at(0)}"><saml:Issuer>{ISSUER}</saml:Issuer><saml:Subject>'
        f'<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">person{number}{DOMAIN}</saml:NameID>'
        f'<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData '
        f'InResponseTo="{REQUEST}" NotOnOrAfter="{at(120)}" Recipient="{ACS}"/></saml:SubjectConfirmation></saml:Subject>'
        f'<saml:Conditions NotBefore="{at(-5)}" NotOnOrAfter="{at(120)}"><saml:AudienceRestriction>'
        f'<saml:Audience>{AUDIENCE}</saml:Audience></saml:AudienceRestriction></saml:Conditions>'
        f'<saml:AuthnStatement AuthnInstant="{at(-1)}" SessionIndex="_session{number}"><saml:AuthnContext>'
        '<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'
        '</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>'
        '<saml:Attribute Name="groups" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic">'
        f'{values}</saml:Attribute></saml:AttributeStatement></saml:Assertion>'
    )


def opening(number):
    return (
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        f'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response{number}" Version="2.0" '
        f'IssueInstant="{at(0)}" Destination="{ACS}" InResponseTo="{REQUEST}">'
    )


HEAD = (
    f'<saml:Issuer>{ISSUER}</saml:Issuer><samlp:Status>'
    '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
)


def sign(xml, key, certificate):
    signed = utils.add_sign(
        xml, key, certificate, sign_algorithm=names.RSA_SHA256, digest_algorithm=names.SHA256
    )
    return signed.decode() if isinstance(signed, bytes) else signed


def cut(text, start, end):
    begin = text.index(start)
    return text[begin:text.index(end, begin) + len(end)]


class Pieces:
    """A genuine document in pieces: the forgeries put them together in another way."""

    def __init__(self, number, signed):
        self.number = number
        self.open = cut(signed, "<samlp:Response", ">")
        self.assertion = cut(signed, "<saml:Assertion", "</saml:Assertion>")
        self.signature = cut(signed, "<ds:Signature", "</ds:Signature>")
        self.bare = self.assertion.replace(self.signature, "")
        self.evil = self.renamed(self.bare)

    def renamed(self, text):
        return text.replace(f"person{self.number}{DOMAIN}", EVIL).replace(f"_assertion{self.number}", "_evil")

    def whole(self, body, head=HEAD):
        return f"{self.open}{head}{body}{CLOSE}"

    def evil_response(self, signature, body):
        """A response of another ID around all of this."""
        opened = self.open.replace(f"_response{self.number}", "_evil_response")
        return f"{opened}{HEAD.replace('<samlp:Status>', signature + '<samlp:Status>', 1)}{body}{CLOSE}"

    def into_signature(self, inner):
        return self.signature.replace("</ds:Signature>", f"<ds:Object>{inner}</ds:Object></ds:Signature>")


def forgeries(of_assertion, of_response):
    p, r = of_assertion, of_response
    unsigned = r.whole(r.bare)
    yield "xsw1", r.evil_response(r.into_signature(unsigned), r.evil)
    yield "xsw2", r.evil_response(unsigned + r.signature, r.evil)
    yield "xsw3", p.whole(p.evil + p.assertion)
    yield "xsw4", p.whole(p.evil.replace("</saml:Assertion>", p.assertion + "</saml:Assertion>"))
    yield "xsw5", p.whole(p.renamed(p.assertion).replace("#_evil", f"#_assertion{p.number}") + p.bare)
    inside = p.into_signature(p.bare)
    yield "xsw6", p.whole(p.evil.replace("<saml:Subject>", inside + "<saml:Subject>", 1))
    extensions = f"<samlp:Extensions>{p.evil}</samlp:Extensions><samlp:Status>"
    yield "xsw7", p.whole(p.assertion, HEAD.replace("<samlp:Status>", extensions, 1))
    same = p.evil.replace("_evil", f"_assertion{p.number}")
    yield "xsw8", p.whole(same.replace("<saml:Subject>", inside + "<saml:Subject>", 1))
    yield "changed", p.whole(p.assertion.replace(f"person{p.number}{DOMAIN}", EVIL))
    yield "unsigned", p.whole(p.evil)


def main():
    with tempfile.TemporaryDirectory() as work:
        key, certificate = key_and_certificate(pathlib.Path(work))
    for name in ("genuine", "forged"):
        (FOLDER / name).mkdir(parents=True)
    for number in range(GENUINE):
        whole = opening(number) + HEAD + sign(assertion(number), key, certificate) + CLOSE
        (FOLDER / "genuine" / f"{number:03}.xml").write_text(whole)
        if number < BASES:
            response = sign(opening(number) + HEAD + assertion(number) + CLOSE, key, certificate)
            for kind, forged in forgeries(Pieces(number, whole), Pieces(number, response)):
                if EVIL not in forged:
                    sys.exit(f"the forgery {kind} says nothing else than the genuine document")
                (FOLDER / "forged" / f"{kind}-{number}.xml").write_text(forged)
    inner = "".join(line for line in certificate.splitlines() if not line.startswith("-----"))
    settings = {
        "issuer": ISSUER, "audience": AUDIENCE, "acs": ACS, "request": REQUEST, "evil": EVIL, "domain": DOMAIN,
        "certificate": inner, "bases": BASES,
    }
    (FOLDER / "settings.json").write_text(json.dumps(settings))
    print(json.dumps({"bytes": len((FOLDER / "genuine" / "000.xml").read_bytes())}))


main()
