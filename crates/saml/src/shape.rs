//! What may stand where. Counted over the whole document, by local name in any namespace: an element that only looks like an
//! assertion or a signature has no business anywhere.

use crate::error::{Error, Kind};
use crate::names::{DSIG, SAML, SAMLP};
use crate::signature;
use crate::xml::{Document, Element};

/// Local names that stand only where this module found them.
const GUARDED: [&str; 4] = ["Response", "Assertion", "EncryptedAssertion", "Signature"];

const RESPONSE: [(&str, &str); 6] = [
    (SAML, "Issuer"),
    (DSIG, "Signature"),
    (SAMLP, "Extensions"),
    (SAMLP, "Status"),
    (SAML, "Assertion"),
    (SAML, "EncryptedAssertion"),
];

/// `Advice` could hold other assertions, and `Statement` anything; neither has a use in a sign-in.
const ASSERTION: [(&str, &str); 7] = [
    (SAML, "Issuer"),
    (DSIG, "Signature"),
    (SAML, "Subject"),
    (SAML, "Conditions"),
    (SAML, "AuthnStatement"),
    (SAML, "AuthzDecisionStatement"),
    (SAML, "AttributeStatement"),
];

/// A Response with its parts.
pub(crate) struct ResponseShape<'a> {
    pub response: Element<'a>,
    pub signature: Option<Element<'a>>,
    /// None in an answer that is no success.
    pub assertion: Option<Element<'a>>,
}

impl<'a> ResponseShape<'a> {
    pub fn of(document: &'a Document<'_>) -> Result<Self, Error> {
        let response = document.root();
        if !response.is(SAMLP, "Response") {
            return Err(response.error(Kind::Root("Response")));
        }
        response.allow(&RESPONSE)?;
        let mut assertions =
            response.children().filter(|child| matches!(child.local(), "Assertion" | "EncryptedAssertion"));
        let assertion = assertions.next();
        if let Some(second) = assertions.next() {
            return Err(second.error(Kind::Twice("Assertion")));
        }
        let signature = signature::of(response)?;
        let mut known = vec![response];
        known.extend(signature);
        if let Some(assertion) = assertion {
            known.push(assertion);
            if assertion.local() == "Assertion" {
                known.extend(signature::of(assertion)?);
            }
        }
        guard(response, &known)?;
        Ok(Self { response, signature, assertion })
    }
}

/// Checks an assertion and gives its signature, if it has one.
pub(crate) fn assertion(assertion: Element<'_>) -> Result<Option<Element<'_>>, Error> {
    assertion.allow(&ASSERTION)?;
    let signature = signature::of(assertion)?;
    let mut known = vec![assertion];
    known.extend(signature);
    guard(assertion, &known)?;
    Ok(signature)
}

/// A message of another kind (logout, metadata): its signature is directly below its root, and there is no other.
pub(crate) fn message<'a>(
    document: &'a Document<'_>,
    namespace: &'static str,
    name: &'static str,
) -> Result<(Element<'a>, Option<Element<'a>>), Error> {
    let root = document.root();
    if !root.is(namespace, name) {
        return Err(root.error(Kind::Root(name)));
    }
    let signature = signature::of(root)?;
    let known: Vec<Element<'_>> = signature.into_iter().collect();
    guard(root, &known)?;
    document.ids()?;
    Ok((root, signature))
}

fn guard(root: Element<'_>, known: &[Element<'_>]) -> Result<(), Error> {
    let stranger = root.descendants().find(|element| {
        GUARDED.iter().any(|name| element.local().eq_ignore_ascii_case(name))
            && !known.iter().any(|one| one.id() == element.id())
    });
    match stranger {
        Some(stranger) => Err(stranger.error(Kind::Misplaced)),
        None => Ok(()),
    }
}
