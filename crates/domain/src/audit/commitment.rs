//! Commitments: a record can prove later which personal value it was about, and says nothing about it until then.

use sha2::{Digest, Sha256};

use super::hash::Hash;
use crate::sensitive::Sensitive;

/// Commits to a personal value of a kind (`email`, `answer_text`) under a random salt that is kept sealed with the privacy request.
/// When the request's key is destroyed the salt is gone and the commitment says nothing for ever.
pub fn commit(salt: &Sensitive<[u8; 32]>, kind: &str, value: &Sensitive<String>) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"privity commitment v1\0");
    hasher.update(salt.expose());
    // The length keeps ("ab", "c") apart from ("a", "bc").
    hasher.update((kind.len() as u64).to_be_bytes());
    hasher.update(kind);
    hasher.update(value.expose());
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_depends_on_salt_kind_and_value_and_on_where_one_ends() {
        let salt = Sensitive::new([7; 32]);
        let value = |text: &str| Sensitive::new(text.to_owned());
        let base = commit(&salt, "email", &value("ada@example.com"));
        assert_eq!(base, commit(&salt, "email", &value("ada@example.com")));
        assert_ne!(
            base,
            commit(&Sensitive::new([8; 32]), "email", &value("ada@example.com"))
        );
        assert_ne!(base, commit(&salt, "phone", &value("ada@example.com")));
        assert_ne!(base, commit(&salt, "emai", &value("lada@example.com")));
    }

    #[test]
    fn a_commitment_never_changes_between_versions() {
        let known = commit(
            &Sensitive::new([0; 32]),
            "email",
            &Sensitive::new("ada@example.com".to_owned()),
        );
        assert_eq!(
            known.to_string(),
            "0bca4c22ea624468060521b665f6744b50d83c2090856e90a098c7fff165c02f"
        );
    }
}
