//! Signatures of webhooks after Standard Webhooks 1.0: HMAC-SHA-256 over `id.timestamp.body`, with every secret in force.
//!
//! Pure: what it gives depends on its arguments alone.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a secret is shown: receivers' libraries take it as it stands.
pub fn shown(secret: &str) -> String {
    format!("whsec_{secret}")
}

/// The value of `webhook-signature`: one `v1,…` for each secret.
pub fn signature(secrets: &[Vec<u8>], id: &str, timestamp: i64, body: &[u8]) -> String {
    let one = |secret: &Vec<u8>| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_published_example_is_signed_alike() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let made = signature(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_sign_during_an_overlap() {
        let both = signature(&[vec![1; 32], vec![2; 32]], "a", 1, b"x");
        let alone = [signature(&[vec![1; 32]], "a", 1, b"x"), signature(&[vec![2; 32]], "a", 1, b"x")];
        assert_eq!(both, alone.join(" "));
        assert_ne!(alone[0], alone[1]);
    }
}
