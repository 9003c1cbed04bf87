//! The two Argon2id settings of line 1, the same for us, the peer and the limit.

use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::error::{BenchError, Result};

pub const PASSWORD: &str = "correct horse battery staple 7";
pub const HASH_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    pub label: &'static str,
    pub memory_kib: u32,
    pub iterations: u32,
}

/// OWASP's first recommendation, ours too.
pub const OWASP: HashCost = HashCost { label: "19 MiB/2/1", memory_kib: 19_456, iterations: 2 };
/// What Keycloak ships with.
pub const KEYCLOAK: HashCost = HashCost { label: "7 MiB/5/1", memory_kib: 7_168, iterations: 5 };

/// A hasher whose memory is allocated and touched once.
pub struct Hasher {
    argon2: Argon2<'static>,
    arena: Vec<Block>,
}

impl Hasher {
    pub fn new(cost: HashCost) -> Result<Self> {
        let params = Params::new(cost.memory_kib, cost.iterations, 1, Some(HASH_BYTES)).map_err(wrong)?;
        let arena = vec![Block::default(); params.block_count()];
        Ok(Self { argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params), arena })
    }

    pub fn hash(&mut self, password: &[u8], salt: &[u8]) -> Result<[u8; HASH_BYTES]> {
        let mut hash = [0; HASH_BYTES];
        self.argon2
            .hash_password_into_with_memory(password, salt, &mut hash, &mut self.arena)
            .map_err(wrong)?;
        Ok(hash)
    }
}

fn wrong(error: argon2::Error) -> BenchError {
    BenchError::Argon2(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_arena_gives_the_hash_of_fresh_memory() {
        let cost = HashCost { label: "test", memory_kib: 64, iterations: 2 };
        let mut hasher = Hasher::new(cost).unwrap();
        let first = hasher.hash(b"one", b"sixteen byte slt").unwrap();
        hasher.hash(b"two", b"another 16 bytes").unwrap();
        assert_eq!(hasher.hash(b"one", b"sixteen byte slt").unwrap(), first);
        let mut fresh = [0; HASH_BYTES];
        let params = Params::new(64, 2, 1, Some(HASH_BYTES)).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(b"one", b"sixteen byte slt", &mut fresh).unwrap();
        assert_eq!(first, fresh);
    }
}
