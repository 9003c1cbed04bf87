//! The realm that Keycloak imports for lines 1 and 21: N users whose passwords are hashed already, with the cost of the
//! run, so that no log-in re-hashes. Sixteen salts serve all users: a check costs the same whoever shares the salt, and
//! hashing ten thousand of them would take minutes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::error::Result;
use crate::hashing::{HashCost, Hasher, PASSWORD};

pub const REALM: &str = "bench";
pub const CLIENT: &str = "bench";
const SALTS: usize = 16;

pub fn user_name(number: u64) -> String {
    format!("user-{number:07}")
}

/// `machines` are clients that get tokens for themselves.
pub fn document(users: u64, machines: usize, cost: HashCost) -> Result<Value> {
    let credentials = credentials(cost)?;
    let mut clients = vec![json!({
        "clientId": CLIENT,
        "enabled": true,
        "publicClient": true,
        "standardFlowEnabled": true,
        "directAccessGrantsEnabled": true,
        "redirectUris": [REDIRECT],
    })];
    clients.extend((0..machines).map(machine));
    let users: Vec<Value> = (0..users).map(|number| user(number, &credentials)).collect();
    Ok(json!({
        "realm": REALM,
        "enabled": true,
        "sslRequired": "none",
        // The peer keeps what we keep: the session and a stored event for every log-in.
        "eventsEnabled": true,
        "eventsExpiration": 86_400,
        "enabledEventTypes": ["LOGIN", "LOGIN_ERROR", "CODE_TO_TOKEN"],
        "clients": clients,
        "users": users,
    }))
}

fn machine(number: usize) -> Value {
    json!({
        "clientId": format!("machine-{number}"),
        "secret": machine_secret(number),
        "enabled": true,
        "standardFlowEnabled": false,
        "serviceAccountsEnabled": true,
        // As ours signs.
        "attributes": { "access.token.signed.response.alg": "ES256" },
    })
}

fn machine_secret(number: usize) -> String {
    format!("secret-{number}-of-a-throw-away-server")
}

/// How a machine proves that it is itself.
pub fn machine_authorization(number: usize) -> String {
    format!("Basic {}", BASE64.encode(format!("machine-{number}:{}", machine_secret(number))))
}

/// Never called: the log-in ends with the redirect to it.
pub const REDIRECT: &str = "http://127.0.0.1:9/callback";

fn user(number: u64, credentials: &[Value]) -> Value {
    let name = user_name(number);
    json!({
        "username": name,
        "email": format!("{name}@example.test"),
        "emailVerified": true,
        "firstName": "Bench",
        "lastName": format!("User {number}"),
        "enabled": true,
        "credentials": [credentials[number as usize % credentials.len()]],
    })
}

/// In the form of Keycloak's `PasswordCredentialModel`: two JSON texts inside the JSON.
fn credentials(cost: HashCost) -> Result<Vec<Value>> {
    let mut hasher = Hasher::new(cost)?;
    let data = json!({
        "hashIterations": cost.iterations,
        "algorithm": "argon2",
        "additionalParameters": {
            "hashLength": [crate::hashing::HASH_BYTES.to_string()],
            "memory": [cost.memory_kib.to_string()],
            "type": ["id"],
            "version": ["1.3"],
            "parallelism": ["1"],
        },
    });
    let made = (0..SALTS).map(|number| {
        let salt = [number as u8 + 1; 16];
        let hash = hasher.hash(PASSWORD.as_bytes(), &salt)?;
        let secret = json!({
            "value": BASE64.encode(hash),
            "salt": BASE64.encode(salt),
            "additionalParameters": {},
        });
        Ok(json!({ "type": "password", "credentialData": data.to_string(), "secretData": secret.to_string() }))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_name_of_its_own_and_a_password_of_the_cost() {
        let cost = HashCost { label: "test", memory_kib: 64, iterations: 3 };
        let realm = document(40, 3, cost).unwrap();
        assert_eq!(realm["clients"].as_array().unwrap().len(), 4);
        let users = realm["users"].as_array().unwrap();
        let names: std::collections::BTreeSet<_> =
            users.iter().map(|user| user["username"].as_str()).collect();
        assert_eq!(names.len(), 40);
        let credential = &users[17]["credentials"][0];
        let data: Value = serde_json::from_str(credential["credentialData"].as_str().unwrap()).unwrap();
        assert_eq!(data["hashIterations"], 3);
        assert_eq!(data["additionalParameters"]["memory"][0], "64");
        let secret: Value = serde_json::from_str(credential["secretData"].as_str().unwrap()).unwrap();
        let salt = BASE64.decode(secret["salt"].as_str().unwrap()).unwrap();
        let hash = Hasher::new(cost).unwrap().hash(PASSWORD.as_bytes(), &salt).unwrap();
        assert_eq!(secret["value"], BASE64.encode(hash));
    }
}
