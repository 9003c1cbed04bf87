//! A sealed code: 130 random bits, written so that it can be copied from paper.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARS: usize = 26;
const GROUP: usize = 4;

/// Has no `Debug`; wiped from memory when dropped.
pub struct SealedCode(Zeroizing<[u8; CHARS]>);

impl SealedCode {
    pub fn generate(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut code = Zeroizing::new([0; CHARS]);
        fill(code.as_mut_slice());
        for byte in code.iter_mut() {
            // 256 is a multiple of 32: every character is equally likely.
            *byte = ALPHABET[usize::from(*byte % 32)];
        }
        Self(code)
    }

    /// Takes small letters, spaces and hyphens, and what is easily misread: `O` for 0, `I` and `L` for 1.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = Zeroizing::new([0; CHARS]);
        let mut count = 0;
        for c in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let byte = u8::try_from(u32::from(c)).ok().filter(|byte| ALPHABET.contains(byte))?;
            *code.get_mut(count)? = byte;
            count += 1;
        }
        (count == CHARS).then_some(Self(code))
    }

    /// `7F3K-…`, for the one time that it is shown.
    pub fn text(&self) -> String {
        let groups: Vec<String> =
            self.0.chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        groups.join("-")
    }

    pub fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, self.0.as_slice()).as_ref().to_vec()
    }
}
