use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes a [`SessionKey`](crate::SessionKey), and nothing else, in a dozen instructions.
///
/// The key is a hash already. Two secret factors keep a stranger who can choose session
/// identifiers from choosing keys that fall into one place.
#[derive(Clone)]
pub(super) struct KeyHash([u64; 2]);

pub(super) struct KeyHasher {
    secret: [u64; 2],
    hash: u64,
}

impl Default for KeyHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self([0, 1].map(|number: u8| random.hash_one(number)))
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { secret: self.0, hash: 0 }
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn write(&mut self, key: &[u8]) {
        let Some((first, rest)) = key.split_first_chunk() else { return };
        let Some((second, _)) = rest.split_first_chunk() else { return };
        let [one, other] = self.secret;
        let left = u128::from(u64::from_le_bytes(*first) ^ one);
        let right = u128::from(u64::from_le_bytes(*second) ^ other);
        let product = left.wrapping_mul(right);
        self.hash = (product as u64) ^ ((product >> 64) as u64);
    }

    /// The length is the same for all.
    #[inline]
    fn write_usize(&mut self, _: usize) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }
}
